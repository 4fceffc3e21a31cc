#!/bin/bash
# Runs as root in a machine, and leaves in /repo whatever could make a host run a command, read or
# write elsewhere, or draw something that isn't there.
#
#   CANARY  a folder of the host: a command that ran there leaves a file in it
#   VICTIM  a repository of the person's on the host
#   SECRET  what must not leave /repo
set -euo pipefail
cd /repo

# Every setting by which git runs something.
hostile_settings() {
  git -C "$1" config core.fsmonitor "touch $CANARY/fsmonitor-$2; false"
  git -C "$1" config core.hooksPath /repo/hooks
  git -C "$1" config core.pager "touch $CANARY/pager-$2"
  git -C "$1" config core.sshCommand "touch $CANARY/ssh-$2"
  git -C "$1" config core.editor "touch $CANARY/editor-$2"
  git -C "$1" config core.attributesFile /repo/.gitattributes
  git -C "$1" config gpg.program "touch $CANARY/gpg-$2"
  git -C "$1" config diff.external "touch $CANARY/external-$2"
  git -C "$1" config diff.evil.textconv "touch $CANARY/textconv-$2; cat"
  git -C "$1" config diff.evil.command "touch $CANARY/command-$2"
  for part in clean smudge process; do git -C "$1" config "filter.evil.$part" "touch $CANARY/$part-$2; cat"; done
  git -C "$1" config filter.evil.required true
  git -C "$1" config include.path /repo/included
  git -C "$1" config extensions.worktreeConfig true
}
commit() { git -C "$1" -c user.name=x -c user.email=x -c core.fsmonitor=false -c core.hooksPath=/nonexistent commit -q --allow-empty -m x; }

mkdir -p hooks
for hook in reference-transaction post-checkout post-index-change pre-commit post-commit; do
  printf '#!/bin/sh\ntouch %s/hook-%s\n' "$CANARY" "$hook" >"hooks/$hook"
  chmod +x "hooks/$hook"
done
printf '[core]\n\tfsmonitor = "touch %s/included; false"\n' "$CANARY" >included
printf '* filter=evil diff=evil merge=evil\n' | tee .gitattributes >body/.gitattributes

# A nested repository, a submodule, and a file that names another's git folder.
mkdir -p nested module gitfile
git init -q nested
commit nested
hostile_settings nested nested
git init -q module
commit module
mkdir -p .git/modules
mv module/.git .git/modules/module
printf 'gitdir: ../.git/modules/module\n' >module/.git
git --git-dir=.git/modules/module config core.worktree ../../../module
git --git-dir=.git/modules/module config core.fsmonitor "touch $CANARY/fsmonitor-module; false"
printf '[submodule "module"]\n\tpath = module\n\turl = ./\n\tupdate = !touch %s/update\n' "$CANARY" >.gitmodules
printf 'gitdir: %s\n' "$VICTIM" >gitfile/.git
# The repo's own git folder is behind a link. What it leads to is part of the repo: few files.
git -c core.fsmonitor=false -c core.hooksPath=/nonexistent -c user.name=x -c user.email=x gc -q
rm -f .git/COMMIT_EDITMSG
hostile_settings /repo repo
mv .git evil.git
ln -s evil.git .git

# Links to what is the person's, also where files are copied into the image.
ln -s "$(dirname "$VICTIM")" link-to-project
ln -s /etc link-to-etc
ln -s /etc/shadow body/rootfs/etc/shadow-link

# Secrets, also where they would come into the image.
for file in .env body/rootfs/etc/.env body/rootfs/opt/.ENV.local nested/.env.production; do
  printf 'API_KEY=%s\n' "$SECRET" >"$file"
done

# Names that take the place of others, and that a terminal would obey.
mkdir -p 'z b/body'
printf 'innocent\n' >'z b/body/Dockerfile'
printf 'x\n' >$'esc\e]52;c;cm0gLXJm\a\e]0;owned\a\e[2J'
printf 'x\n' >$'two\nlines'
printf 'x\n' >'na"me'
printf 'x\n' >$'rtl\u202egpj.sh'
printf 'x\n' >$'bytes\xff'
printf 'x\n' >'-rf'
printf 'text \e]52;c;cm0gLXJm\a\e[2J\u202e end\n' >text
printf 'changed by the inside\n' >body/rootfs/etc/vivarium/hostile

# What holds up a reader, or never ends.
mkfifo pipe body/rootfs/pipe nested/.gitignore
mknod zero c 1 5
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("/repo/socket")'
chown -hR os: /repo
