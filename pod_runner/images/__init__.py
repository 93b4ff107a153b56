"""Images and root file systems: what a container's files are, from an archive, a registry or the node itself.

image           Image, what a container needs of one; pure
reference       what a person writes -> where an image comes from; pure
documents       OCI and Docker documents -> values; pure
layouts         OCI layouts, archives of several kinds -> a Source of blobs
registry        a registry by HTTP -> a Source of blobs
copying         docker:// through skopeo -> a Source of blobs
blobs           files named by their digests
unpacking       a layer's tar -> a folder that overlayfs takes; nothing gets out of it
index           which references are known; one file, one lock
store           ImageStore: ensure, add, list, remove, prune
node_root       the node's own files as an image
root_fs         an image and a folder -> RootFs
layered_files   a file of an image, as its root shows it
users           names of users -> ids
"""
