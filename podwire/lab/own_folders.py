"""How a node gets its own /etc, /opt and /var: the machine's are seen, and what is written stays in memory.

Root's are overlays. In a user namespace an overlay keeps its marks in user.* (`userxattr`), and a folder
below that is somebody else's cannot be written to, unless one of ours is merged with it. Where the machine
has mounted something below /var, say, the kernel makes no overlay of it for us: it would show what the mount
hides. Then there is a folder of our own with all that is in it, bound, or copied where it is /etc.
"""

from __future__ import annotations

ROOTS = """
for folder in etc opt var; do
    own=/run/own/$folder
    mkdir -p $own/upper $own/work
    mount -t overlay overlay -o lowerdir=/$folder,upperdir=$own/upper,workdir=$own/work /$folder
done
"""
# In `mirror` a folder in which everybody may write becomes an empty one: nobody is to meet the machine there.
USERS = """
ours="etc/netns opt/cni var/lib var/log"
mirror() {
    mkdir -p /run/own/new/$1
    for path in /$1/* /$1/.[!.]*; do
        name=${path##*/}
        new=/run/own/new/$1/$name
        if [ -L "$path" ]; then cp -P "$path" "$new"
        elif [ -d "$path" ]; then
            mkdir -p "$new"
            case " $ours " in *" $1/$name "*) mirror "$1/$name"; continue ;; esac
            [ -k "$path" ] && continue
            mount --rbind "$path" "$new" && mount -o remount,bind,ro "$new" || :
        elif [ -e "$path" ]; then cp "$path" "$new" || :
        fi
    done 2>/dev/null
}
for folder in $ours; do mkdir -p /run/own/${folder%/*}/upper/${folder#*/}; done
for folder in etc opt var; do
    own=/run/own/$folder
    mkdir -p $own/upper $own/work
    options=userxattr,lowerdir=/$folder,upperdir=$own/upper,workdir=$own/work
    mount -t overlay overlay -o $options /$folder 2>/dev/null && continue
    mkdir -p /run/own/new/$folder
    if [ $folder = etc ]; then cp -dR /etc/. /run/own/new/etc 2>/dev/null || :; else mirror $folder; fi
    mount --rbind /run/own/new/$folder /$folder
done
"""


def own_folders(*, is_rootless: bool) -> str:
    """Return what a shell does, in the node, when /run is new."""
    return USERS if is_rootless else ROOTS
