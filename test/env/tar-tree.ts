import { runProgram } from './node/run-program.ts';

/** Makes a root file system with everything that is easily lost. Needs root's rights. */
const MAKE = `
set -e
mkdir -p "$1" && cd "$1"
mkdir -p etc usr/bin usr/lib boot dev var/log 'dir with space' sticky
printf 'VERSION_ID=1.35.1\\nPRETTY_NAME="Rich 1"\\n' > etc/os-release
echo kernel > boot/vmlinuz; echo initrd > boot/initramfs.img
ln -s usr/bin bin; ln -s /run var/run; ln -s ../../etc/os-release usr/lib/os-release; ln -s nowhere dangling
echo ping > usr/bin/ping; setcap cap_net_raw+ep usr/bin/ping
echo su > usr/bin/su; chmod 4755 usr/bin/su
echo wall > usr/bin/wall; chown 70000:3000000 usr/bin/wall; chmod 2755 usr/bin/wall
chmod 1777 sticky; chown 1000:1000 'dir with space'; chmod 0750 'dir with space'
echo one > usr/bin/a; ln usr/bin/a usr/bin/b; ln usr/bin/a etc/c; ln dangling dangling2
mknod dev/null c 1 3; mknod dev/big b 259 300; mkfifo dev/fifo; chmod 666 dev/null
setfattr -n user.x -v hello etc/os-release; setfattr -n trusted.t -v tv etc
setfattr -n security.selinux -v system_u:object_r:etc_t:s0 boot/vmlinuz
setfattr -h -n trusted.l -v onlink dangling
setfattr -n system.posix_acl_access -v 0x0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000400ffffffff etc/c
setfattr -n system.posix_acl_default -v 0x0200000001000700ffffffff04000500ffffffff20000500ffffffff usr/lib
echo below > usr/lib/below
truncate -s 30M var/log/lastlog; printf hello | dd of=var/log/lastlog bs=1 seek=20000001 conv=notrunc status=none
truncate -s 1M var/log/holes; printf x | dd of=var/log/holes bs=1 seek=500000 conv=notrunc status=none
head -c 5000 /dev/urandom | dd of=var/log/holes bs=1 seek=0 conv=notrunc status=none
touch var/log/empty; truncate -s 100k var/log/nothing-but-hole; head -c 5000 /dev/zero > var/log/zeros
n=$(printf 'n%.0s' $(seq 1 200)); mkdir -p "long/$n/$n"; echo deep > "long/$n/$n/$n"
ln "long/$n/$n/$n" "long/hard-$n"; ln -s "$n/$n/$n/$n" long/soft
printf bad > "$(printf 'bad\\377\\376name')"; echo u > 'ünï'; echo n > "$(printf 'new\\nline')"; echo d > ./-dash
head -c 9000000 /dev/urandom > usr/bin/large; for i in $(seq 1 300); do echo $i > "var/$i"; done
chmod 000 var/log/empty; chmod 0555 usr/lib
touch -d '2001-02-03 04:05:06.789012345' usr/lib etc/os-release var usr/bin/a; touch -h -d '1999-01-01' bin
`;

/** Prints a line for everything in a folder, but for what every ext4 file system has of its own. */
const LIST = `
cd "$1" || exit 1
LC_ALL=C; export LC_ALL
find . -path ./lost+found -prune -o -printf '%p %y %m %U:%G %T@ %l\\n' | sed 's/^/tree /'
find . -type f -printf 'file %p %s %n\\n'
find . ! -type d -links +1 -printf 'link %i %p\\n'
find . \\( -type c -o -type b \\) -exec stat -c 'device %n %t:%T' {} +
find . -type f -exec sha256sum {} + | sed 's/^/sum /'
getfattr -R -h -d -m - -e hex -- . | awk '/^# file/ { name = $0; next } NF { print "xattr", name, $0 }'
`;

/** Makes a tree of files in the new folder `path`. Needs root's rights. */
export const makeRichTree = async (path: string): Promise<void> =>
  void (await runProgram('sh', '-c', MAKE, 'make', path));

/** Everything in a folder, comparable: sorted lines, hard links as sets of names. */
export const listTree = async (path: string): Promise<string[]> =>
  comparable(await runProgram('sh', '-c', LIST, 'list', path));

/** The same of a file system in a plain file. It is mounted where nobody else sees it. */
export async function listSlot(image: string): Promise<string[]> {
  const script = `mount -n -t ext4 -o ro,loop -- "$2" /mnt && set -- /mnt && ${LIST}`;
  const inside = ['--mount', '--propagation', 'private', 'sh', '-c', script, 'list', '', image];
  return comparable(await runProgram('unshare', ...inside));
}

function comparable(listing: string): string[] {
  const links = new Map<string, string[]>();
  const lines: string[] = [];
  for (const line of listing.split('\n')) {
    const [, inode, name] = /^link (\d+) (.*)$/.exec(line) ?? [];
    if (inode === undefined || name === undefined) lines.push(line);
    else links.set(inode, [...(links.get(inode) ?? []), name]);
  }
  for (const names of links.values()) lines.push(`links ${names.sort().join(' = ')}`);
  return lines.sort();
}
