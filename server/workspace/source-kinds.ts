/**
 * Which files are source, by name: code, and the text beside it that helps to complete code (documentation, build files,
 * configuration). Names that are not listed are left out, so a new kind of binary or data needs no rule.
 *
 * Deliberately lacks: any look at the content, and notebooks, whose JSON is no text that somebody writes.
 */

/** `code` and `prose` may be large; `data` is read while it is small enough to have been written by hand. */
export type SourceKind = 'code' | 'prose' | 'data';

const EXTENSIONS: Readonly<Record<SourceKind, string>> = {
	code: `
		ts mts cts tsx js mjs cjs jsx vue svelte astro html htm css scss sass less styl graphql gql
		py pyi pyw pyx pxd rb rake gemspec erb php phtml pl pm lua tcl r jl m mm
		java kt kts scala sc groovy gradle clj cljs cljc edn
		c h cc cpp cxx hh hpp hxx inl ipp ixx cu cuh glsl vert frag comp hlsl wgsl metal cs csx fs fsi fsx vb swift
		go rs zig nim d v odin cr dart ml mli mll mly hs lhs elm purs ex exs erl hrl lisp el scm rkt
		sh bash zsh fish ps1 psm1 psd1 bat cmd awk sql proto thrift capnp prisma tf hcl nix bzl bazel cmake mk
		sol vy move cairo asm s vhd vhdl sv svh f f90 f95 f03 pas ada adb ads cob abap apex cls trigger`,
	prose: 'md mdx markdown rst adoc txt',
	data: 'json jsonc json5 yaml yml toml ini cfg conf properties xml xsd csproj fsproj props targets',
};

const NAMES: Readonly<Record<string, SourceKind>> = {
	makefile: 'code',
	gnumakefile: 'code',
	dockerfile: 'code',
	containerfile: 'code',
	jenkinsfile: 'code',
	vagrantfile: 'code',
	rakefile: 'code',
	gemfile: 'code',
	podfile: 'code',
	brewfile: 'code',
	procfile: 'code',
	justfile: 'code',
	tiltfile: 'code',
	build: 'code',
	workspace: 'code',
	'go.mod': 'data',
	readme: 'prose',
	'.env.example': 'data',
	'.env.sample': 'data',
	'.env.template': 'data',
};

const KIND_BY_EXTENSION: ReadonlyMap<string, SourceKind> = new Map(
	Object.entries(EXTENSIONS).flatMap(([kind, names]) =>
		names
			.trim()
			.split(/\s+/)
			.map((name) => [name, kind as SourceKind]),
	),
);

/** Kind of a file, or undefined when it is no source. */
export function sourceKindOf(path: string): SourceKind | undefined {
	const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
	const known = Object.hasOwn(NAMES, name) ? NAMES[name] : undefined;
	if (known) return known;
	if (name.startsWith('dockerfile.')) return 'code';
	const dot = name.lastIndexOf('.');
	return dot < 0 ? undefined : KIND_BY_EXTENSION.get(name.slice(dot + 1));
}
