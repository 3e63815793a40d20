#!/bin/bash
# A red team's script, run by an agent: every line tries one way out. `OPEN` says that it is one, `closed` that it is
# not. The first line must say OPEN, else the script itself proves nothing.
#
# D        folder of decoys outside       DECOY_PID  a process of the bot's outside, with a secret in its environment
# HOST_UID user outside                   PORT     a service on the host's loopback, which answers LOOP
# ABSTRACT an abstract socket outside     CHECKOUT where the bot's code is
# DECOY_HOME the bot's home                 OTHER    the store of another owner
O=${ATTACK_OUT:-/tmp/o}
: > "$O" || { echo 'no place for output: the attack would prove nothing'; exit 9; }
open=0
t() {
  local name=$1
  shift
  if timeout 8 bash -c "$*" > "$O" 2>&1; then
    open=$((open + 1))
    echo "OPEN    $name: $(head -c 100 "$O" | tr '\n' ' ')"
  else
    echo "closed  $name"
  fi
}
t 'self-test' 'echo yes'

# --- processes
t 'environ of another process' 'cat /proc/[0-9]*/environ 2>/dev/null | tr "\0" "\n" | grep -a DECOY_SECRET'
t 'environ of another thread' 'cat /proc/[0-9]*/task/*/environ 2>/dev/null | tr "\0" "\n" | grep -a DECOY_SECRET'
t 'the bot by its pid' "kill -0 $DECOY_PID"
t 'the bot is traced' "python3 -c 'import ctypes,sys;sys.exit(0 if ctypes.CDLL(None).ptrace(16,$DECOY_PID,0,0)==0 else 1)'"
t 'the memory of the bot' "head -c 1 /proc/$DECOY_PID/mem || ls /proc/$DECOY_PID/map_files/ | grep ."
t 'the memory of the bot by process_vm_readv' "python3 -c 'import ctypes,sys
l=ctypes.CDLL(None);b=ctypes.create_string_buffer(8)
class V(ctypes.Structure):_fields_=[(\"p\",ctypes.c_void_p),(\"n\",ctypes.c_size_t)]
maps=open(\"/proc/$DECOY_PID/maps\").readline().split(\"-\")[0]
sys.exit(0 if l.process_vm_readv($DECOY_PID,ctypes.byref(V(ctypes.addressof(b),8)),1,ctypes.byref(V(int(maps,16),8)),1,0)==8 else 1)'"
t 'a pidfd of the bot' "python3 -c 'import os;os.pidfd_open($DECOY_PID)'"
t 'commands of processes outside' 'cat /proc/[0-9]*/cmdline | tr "\0" " " | grep -a "decoy-of-the-[b]ot"'
t 'more processes than the jail has' 'test "$(ls -d /proc/[0-9]* | wc -l)" -gt 40'
t 'descriptors of the first process lead out' 'for f in /proc/[0-9]*/fd/*; do ls "$f/../../etc/shadow" "$f/root"; done 2>/dev/null | grep .'
t 'root or cwd of a process lead out' 'for p in /proc/[0-9]*; do ls -d $p/root/root $p/root'"$D"' $p/cwd/../../../root; done 2>/dev/null | grep .'
t 'inherited descriptors' 'for n in 3 4 5 6 7 8 9 10 11 12 13 14 15 20 30; do readlink /proc/$PPID/fd/$n; done | grep -v -E "^(/proc|pipe|/dev/null|/tmp/o)" | grep .'

# --- sockets and doors
t 'tmux of the host' "tmux -S /tmp/tmux-$HOST_UID/jail-decoy ls || tmux -S $D/tmux ls"
t 'a socket below /run, /var, /tmp' 'find /run /var /tmp -type s -not -path "/run/jail/*" -not -path "/run/out/*" | grep .'
t 'variables of doors' 'env | grep -E "SSH_AUTH|DBUS|DOCKER|DISPLAY|WAYLAND|XDG_RUNTIME|TMUX|SUDO|BOT_"'
t 'system bus, docker, containerd' 'ls /run/dbus /var/run/docker.sock /run/docker.sock /run/containerd /run/user /run/systemd 2>/dev/null | grep .'
t 'an abstract socket is listed' "grep -a '@$ABSTRACT' /proc/net/unix"
t 'an abstract socket is connected' "python3 -c 'import socket;s=socket.socket(1,1);s.connect(\"\\0$ABSTRACT\");print(s.recv(20))'"

# --- network
t 'a service on the loopback of the host' "curl -s -m 2 --noproxy '*' http://127.0.0.1:$PORT/ | grep LOOP"
t 'the same by IPv6' "curl -s -m 2 -g --noproxy '*' 'http://[::1]:$PORT/' | grep LOOP"
for h in 127.0.0.1 localhost localhost. '[::1]' '[::ffff:127.0.0.1]' '[::ffff:7f00:1]' 0.0.0.0 '[::]' 127.1 127.0.1 2130706433 0x7f000001 0177.0.0.1 \
  '[64:ff9b::7f00:1]' '[2002:7f00:1::]' '[::127.0.0.1]' foo.localhost $HOST_ADDRESSES; do
  t "through the proxy as $h" "curl -sf -m 3 -g --noproxy '' -x http://127.0.0.1:3128 'http://$h:$PORT/' | grep LOOP"
  t "by CONNECT as $h" "curl -sf -m 3 -g -p --noproxy '' -x http://127.0.0.1:3128 'http://$h:$PORT/' | grep LOOP"
done
t 'a permitted port of this machine' "for h in 127.0.0.1 localhost $HOST_ADDRESSES; do for p in 80 443; do curl -s -m 3 -o /dev/null -w '%{http_code}\n' -g --noproxy '' -x http://127.0.0.1:3128 http://\$h:\$p/; done; done | grep -v -E '^(000|403)' | grep ."
t 'the proxy told another host in Host' "curl -sf -m 3 -g --noproxy '' -x http://127.0.0.1:3128 -H 'Host: example.org' 'http://127.0.0.1:$PORT/' | grep LOOP"
t 'cloud metadata' 'for h in 169.254.169.254 "[fd00:ec2::254]" 100.100.100.200 metadata.google.internal; do curl -sf -g -m 3 --noproxy "" -x http://127.0.0.1:3128 "http://$h/latest/"; done | grep .'
t 'a port for mail' 'curl -sf -m 3 -p --noproxy "" -x http://127.0.0.1:3128 http://example.org:25/'
t 'the internet past the proxy' 'curl -s -m 2 --noproxy "*" -o /dev/null https://1.1.1.1/'
t 'a datagram leaves' 'python3 -c "import socket;s=socket.socket(2,2);s.sendto(b\"x\",(\"192.0.2.1\",53))"'
t 'vsock' 'python3 -c "import socket;socket.socket(40,1,0)"'
t 'packets, raw, Bluetooth, kernel crypto' 'for f in 17 31 38 29; do python3 -c "import socket;socket.socket($f,3,0)" && exit 0; done; python3 -c "import socket;socket.socket(2,3,1)"'
t 'a new interface' 'ip link add d0 type dummy'
t 'interfaces beside the loopback' 'ls /sys/class/net 2>/dev/null | grep -v -x lo | grep . || tail -n +3 /proc/net/dev | grep -v "lo:" | grep .'

# --- files
t 'decoys by their path' "ls $D"
t 'home, SSH keys, tokens' "ls -A /root /home/*/.ssh $D/home/.ssh/id_ed25519 $D/home/.config/gh 2>/dev/null | grep -v '^\$' | grep ."
t '.env and its backups' "ls $D/bot/.env $D/bot/.env.backup-1 2>/dev/null | grep ."
t '.env while it is replaced by rename' "for i in 1 2 3 4 5 6; do cat $D/bot/.env 2>/dev/null && exit 0; sleep .3; done; exit 1"
t 'any secret that grep finds' 'timeout 7 grep -rlsa DECOY_SECRET --exclude-dir=proc --exclude-dir=sys --exclude-dir=usr --exclude=o --exclude=attack.sh / 2>/dev/null | head -3 | grep .'
t 'the home of the bot' "ls -A $DECOY_HOME 2>/dev/null | grep ."
t 'the store of another owner' "ls -A $OTHER 2>/dev/null | grep ."
t 'accounts, host keys, private keys' 'ls /etc/shadow /etc/gshadow /etc/ssh /etc/sudoers /etc/ssl/private/* /etc/pki/tls/private /var/lib/cloud /etc/letsencrypt 2>/dev/null | grep .'
t 'who lives here' 'grep -v -E "^(root|agent|nobody):" /etc/passwd'
t 'the code of the bot' "ls $CHECKOUT 2>/dev/null | grep ."
t 'places of services' 'ls -A /opt /srv /mnt /media /boot /var/lib /var/log /var/spool /usr/src /usr/local/etc/ssl 2>/dev/null | grep -v -E "^(/|$)" | grep .'
t 'a block device' 'find /dev -type b | grep .'
t 'kvm, mem, tun, vsock, fuse, disk' 'ls /dev/kvm /dev/mem /dev/net/tun /dev/vsock /dev/fuse /dev/sda /dev/vda 2>/dev/null | grep .'
t 'a device is made' 'mknod /tmp/b b 254 0 || mknod /tmp/c c 1 5'
t 'the host by .. from the workspace' 'ls -A ../../../../../../root ../../bot .. 2>/dev/null | grep -E "bot|store|env|ssh"'
[ -n "${SKIP_KERNEL:-}" ] && { echo "== $open open"; exit; }

# --- kernel: opened, never written
t '/proc/sys opens for writing' 'find /proc/sys -type f | while read -r f; do (: >> "$f") && echo "$f"; done 2>/dev/null | grep .'
t 'the rest of /proc opens for writing' 'find /proc -maxdepth 3 -type f -not -path "/proc/[0-9]*" -not -path "/proc/sys/*" -not -path "/proc/self/*" -not -path "/proc/thread-self/*" | while read -r f; do (: >> "$f") && echo "$f"; done 2>/dev/null | grep .'
t 'kcore, kmsg, keys, command line of the kernel' 'head -c 1 /proc/kcore | grep -c . || head -c 1 /proc/kmsg || grep . /proc/keys || grep -a . /proc/cmdline'
t '/sys opens for writing' 'find /sys -writable -type f | grep . || ls /sys/fs/cgroup/* | grep .'
t 'a new user namespace' 'unshare -U true || unshare -Ur true'
t 'other new namespaces' 'for f in -m -n -p -i -u -C -T; do unshare $f true && exit 0; done; exit 1'
t 'another namespace is entered' 'nsenter -t 1 -m true || nsenter -t $$ -n true'
t 'mounts' 'mount -t tmpfs x /mnt || mount -o remount,rw /usr || umount /proc/sys || umount -l /tmp || mount --bind / /tmp'
t 'a capability' 'grep -E "Cap(Inh|Prm|Eff|Bnd|Amb)" /proc/self/status | grep -v 0000000000000000'
t 'new privileges' 'grep -x "NoNewPrivs:.0" /proc/self/status'
t 'su, sudo' 'su -c id root < /dev/null || sudo -n id'
t 'a program that keeps the right of its owner' 'touch s && { chmod 4755 s || chmod u+s s; } && find s -perm -4000 | grep .; r=$?; rm -f s; exit $r'
t 'the same made at once' 'python3 -c "
import os
os.close(os.open(\"s2\",os.O_CREAT|os.O_WRONLY,0o4755))"; r=$?; rm -f s2; exit $r'
t 'characters typed into the terminal' 'python3 -c "import pty,fcntl;m,s=pty.openpty();fcntl.ioctl(s,0x5412,b\"x\")"'
t 'a controlling terminal' 'exec 9<>/dev/tty'
t 'the keyring' 'python3 -c "import ctypes,sys;l=ctypes.CDLL(None);sys.exit(0 if l.syscall(250,0,-4,1)>=0 else 1)"'
t 'bpf, perf, userfaultfd, io_uring, kexec' 'python3 -c "
import ctypes,sys
l=ctypes.CDLL(None)
sys.exit(0 if any(l.syscall(n,0,0,0,0,0)>=0 for n in (321,298,323,425,246)) else 1)"'
t 'the older calls of another architecture' 'python3 -c "import ctypes,sys;sys.exit(0 if ctypes.CDLL(None).syscall(0x40000000+39)>0 else 1)"'
t 'the system is written' 'for f in /usr/x /etc/x /run/x /run/jail/x /run/jail/bin/x /run/jail/in/x /x /var/x /home/x /dev/x /sys/x; do touch $f && echo $f; done 2>/dev/null | grep .'
t 'the programs of the bot are replaced' 'cp /bin/true /run/jail/bin/bun || mv /run/jail/bin /run/jail/b || ln -sf /bin/true /run/jail/bin/bun || rm /run/jail/init.ts'

# --- mounts that must not be moved
t 'the home becomes a link' 'mv /home/agent /home/a2 || { rmdir /home/agent && ln -s / /home/agent; }'
t 'the store becomes a link' 'mv /run/jail/store /run/jail/s2 || { rmdir /run/jail/store && ln -s / /run/jail/store; }'
t 'the workspace becomes a link' 'mv "$PWD" "$PWD.x" || { rm -rf "$PWD" && ln -s / "$PWD"; }'
t 'the sockets are replaced' 'rm /run/jail/in/proxy.sock || mv /run/jail/in /run/jail/i2 || touch /run/jail/in/y'
t 'hooks of git' 'echo x > .git/hooks/post-commit || mv .git .g2 || mv .git/hooks .git/h2 || rm -rf .git/hooks || ln -sfn /tmp .git/hooks'
t 'settings of git' 'git config core.fsmonitor /tmp/x || echo x >> .git/config || mv .git/config .git/c2 || { cp .git/config c2 && mv c2 .git/config; }'
t 'settings of git in a repository further down' 'echo x >> sub/.git/config || echo x > sub/.git/hooks/pre-commit || mv sub/.git sub/g2'
t 'what would configure opencode' 'echo x > opencode.json || rm opencode.json || mv opencode.json o2 || echo x > .opencode/plugin/x.ts || rm -r .opencode || mv .opencode o3'
t 'left by an earlier run' 'ls -d ~/.cache/opencode/bin/rg ~/.opencode ~/.bashrc ~/.gitconfig ~/.config/opencode /tmp/left /dev/shm/left /var/tmp/left 2>/dev/null | grep .'
echo "== $open open"
