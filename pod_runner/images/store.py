"""ImageStore: the images of a node, in one folder."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pod_runner.images.copying import copied_image, has_skopeo
from pod_runner.images.documents import Configuration, read_document
from pod_runner.images.errors import NEVER, PULL, ImageError
from pod_runner.images.image import PATH, Image, StoredImage
from pod_runner.images.index import Entry, ImageIndex, now
from pod_runner.images.layouts import open_layout
from pod_runner.images.locks import held
from pod_runner.images.node_root import node_image
from pod_runner.images.reference import Kind, Reference, parse_name, parse_reference
from pod_runner.images.shelves import Shelves, short
from pod_runner.images.sources import ImageSource, digest_of

ALL = "all"  # the lock that whoever fetches shares, and that `prune` has alone


@dataclass(frozen=True)
class ImageStore:
    """A folder of images. Several processes may use it at once; a pull that several ask for is done once."""

    root: Path

    def ensure(self, reference: str, policy: str = "IfNotPresent") -> Image:
        """Return an image, fetched first as imagePullPolicy says: Always, IfNotPresent or Never.

        Raises:
            ContainerError: ErrImagePull, ErrImageNeverPull or InvalidImageName.
        """
        wanted = parse_reference(reference)
        if wanted.kind is Kind.FOLDER:
            return _plain_folder(wanted)
        try:
            with self._shared():
                if wanted.kind is Kind.HOST:
                    return node_image(self._shelves)
                return self._kept(wanted, policy) or self._pulled(wanted, policy)
        except OSError as error:
            raise ImageError(f"{reference}: {error.filename or self.root}: {error.strerror}") from error

    def add(self, source: Path, name: str = "") -> list[StoredImage]:
        """Take the images of an archive or a layout, under their own names or this one.

        Raises:
            ContainerError: ErrImagePull; it is none, or it is damaged.
        """
        with self._shared(), open_layout(source.absolute()) as images:
            if name and len(images) > 1:
                raise ImageError(f"{source} has {len(images)} images: one name is not enough for them")
            taken: list[str] = []
            for one in images:
                names = (parse_name(name).name,) if name else _own_names(one, source)
                self._take(one, names)
                taken += names
        return [one for one in self.list() if one.reference in taken]

    def list(self) -> list[StoredImage]:
        """Return what is there, by name."""
        return [
            StoredImage(name, one.digest, sum(map(self._shelves.size, one.layers)), one.made)
            for name, one in sorted(self._index.read().items())
        ]

    def remove(self, reference: str) -> bool:
        """Forget a name; False if nobody has it. What it alone needed goes with the next `prune`."""
        with self._shared():
            return self._index.remove(parse_reference(reference).name)

    def prune(self, *, spare: float = 60.0) -> int:
        """Remove what neither a name nor a container needs; return how many bytes that was.

        What somebody asked for in the last `spare` seconds stays: its container may be about to begin.
        """
        self._shelves.make()
        with held(self._shelves.lock(ALL)):
            known = self._index.read().values()
            layers = {layer for one in known for layer in one.layers}
            freed = self._shelves.sweep(layers, {one.configuration for one in known}, spare)
        self._shelves.empty_bin()
        return freed

    @property
    def _shelves(self) -> Shelves:
        return Shelves(self.root)

    @property
    def _index(self) -> ImageIndex:
        return ImageIndex(self.root / "index.json")

    @contextmanager
    def _shared(self) -> Iterator[None]:
        """Keep `prune` away."""
        self._shelves.make()
        with held(self._shelves.lock(ALL), shared=True):
            yield

    def _kept(self, wanted: Reference, policy: str, since: float = 0.0) -> Image | None:
        """Return an image that is there and may be used; `since`: if the registry was asked after that."""
        entry = self._index.read().get(wanted.name)
        if entry is None or (policy == "Always" and (not since or entry.checked < since)):
            return None
        if policy != "Never" and (stamp := _stamp(wanted)) and stamp != entry.stamp:
            return None  # the archive has been written anew
        return self._image(wanted.name, entry) if self._shelves.has(entry.layers) else None

    def _pulled(self, wanted: Reference, policy: str) -> Image:
        if policy == "Never":
            raise ImageError(f"{wanted.name} is not here, and imagePullPolicy is Never", NEVER)
        asked = now()
        with held(self._shelves.lock(short(digest_of(wanted.name.encode())))):
            if image := self._kept(wanted, policy, asked):
                return image  # somebody else pulled it while we waited
            stamp = _stamp(wanted)
            with self._source(wanted) as source:
                entry = self._take(source, (wanted.name,), stamp)
        return self._image(wanted.name, entry)

    @contextmanager
    def _source(self, wanted: Reference) -> Iterator[ImageSource]:
        """Open an image where it comes from. Raises ImageError."""
        from pod_runner.images.registry import is_loopback, registry_image  # a fifth of this room's modules

        if wanted.kind is not Kind.REGISTRY:
            with open_layout(Path(wanted.path), wanted.tag) as images:
                yield _only(images, wanted)
        elif has_skopeo() and not is_loopback(wanted.registry):
            with copied_image(wanted, self.root / "fresh") as image:
                yield image
        else:
            yield registry_image(wanted)

    def _take(self, source: ImageSource, names: tuple[str, ...], stamp: str = "") -> Entry:
        """Keep an image, under these names. Raises ImageError."""
        configuration = digest_of(source.configuration)
        layers = read_document(Configuration, source.configuration, configuration).rootfs.diff_ids
        if len(layers) != len(source.layers):
            raise ImageError(
                f"{names[0]}: {len(layers)} layers by its configuration, {len(source.layers)} came"
            )
        for diff_id, layer in zip(layers, source.layers, strict=True):
            self._shelves.take_layer(diff_id, layer)
        self._shelves.put_blob(configuration, source.configuration)
        entry = Entry(
            digest=source.digest, configuration=configuration, layers=layers, made=now(), checked=now(),
            stamp=stamp,
        )  # fmt: skip
        self._index.put(names, entry)
        return entry

    def _image(self, name: str, entry: Entry) -> Image:
        body = self._shelves.blob(entry.configuration)
        config = read_document(Configuration, body, name).config
        variables = dict(one.split("=", 1) for one in config.env if "=" in one)
        return Image(
            reference=name,
            layers=tuple(self._shelves.layer(one) for one in reversed(entry.layers)),
            digest=entry.digest,
            entrypoint=config.entrypoint,
            cmd=config.cmd,
            env={"PATH": PATH} | variables,
            cwd=config.working_dir or "/",
            user=config.user,
            stop_signal=signal_number(config.stop_signal),
            store=self.root,
        )


def signal_number(text: str) -> int:
    """Return the number of "SIGQUIT", "QUIT", "3" or "SIGRTMIN+3"; SIGTERM for what is none."""
    name, _, more = text.upper().removeprefix("SIG").partition("+")
    known = signal.Signals.__members__.get(f"SIG{name}", signal.SIGTERM)
    number = (int(name) if name.isdecimal() else known) + (int(more) if more.isdecimal() else 0)
    return number if 0 < number < signal.NSIG else signal.SIGTERM


def _plain_folder(wanted: Reference) -> Image:
    folder = Path(wanted.path)
    if not folder.is_dir():
        raise ImageError(f"{wanted.path} is no folder", PULL)
    return Image(wanted.name, (folder.resolve(),))


def _stamp(wanted: Reference) -> str:
    """Return what an archive looks like now, "" if the image does not come from one, or it is away."""
    if wanted.kind is Kind.REGISTRY:
        return ""
    path = Path(wanted.path)
    try:
        there = (path / "index.json" if path.is_dir() else path).stat()
    except FileNotFoundError:
        return ""
    return f"{there.st_ino}:{there.st_size}:{there.st_mtime_ns}"


def _only(images: list[ImageSource], wanted: Reference) -> ImageSource:
    if len(images) != 1:
        there = ", ".join(name for one in images for name in one.names) or "no names"
        raise ImageError(f"{wanted.name}: {len(images)} images fit ({there}); name one behind a colon")
    return images[0]


def _own_names(image: ImageSource, source: Path) -> tuple[str, ...]:
    """Return the names that an image has in its archive; a mere tag gets the archive's name before it."""
    stem = re.sub(r"[^a-z0-9]+", "-", source.name.partition(".")[0].lower()).strip("-") or "image"
    names = image.names or ("latest",)
    whole = [one if "/" in one or ":" in one else f"localhost/{stem}:{one}" for one in names]
    return tuple(dict.fromkeys(parse_name(one).name for one in whole))
