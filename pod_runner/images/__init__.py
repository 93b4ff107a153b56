"""Images and root file systems: what a container's files are, from an archive, a registry or the node itself.

image           Image, what a container needs of one; pure
reference       what a person writes -> where an image comes from; pure
documents       OCI's and Docker's documents -> values; pure
sources         ImageSource: a configuration, and layers that can be read; from a manifest and blobs
layouts         OCI layouts and archives, `docker save` archives -> ImageSources
registry        a registry by HTTP -> an ImageSource
copying         docker:// through skopeo -> an OCI layout
streams         bytes that are read once: counted, hashed, decompressed
unpacking       a layer's tar -> a folder that overlayfs takes; nothing gets out of it
layer_tree      the folder of a layer while it is filled
looks           owner, mode, times and attributes of a layer's files
locks           one pull of an image at a time; nothing is removed meanwhile
index           which images are known by name; one file
shelves         layers and configurations on disk, by their digests, and who uses them
store           ImageStore: ensure, add, list, remove, prune
node_root       the node's own files as an image
root_fs         an image and a container's folder -> RootFs
layered_files   a file of an image, as its root shows it
users           names of users -> ids
errors          ImageError
"""
