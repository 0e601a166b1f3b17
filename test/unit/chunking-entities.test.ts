import { describe, expect, test } from 'vitest';
import { createChunker } from '../../server/chunking/chunker.ts';

const chunker = createChunker({ countTokens: (text) => text.length });

/** Entities of a text as `kind name@line`. */
async function entities(path: string, text: string): Promise<string[]> {
	const file = await chunker.chunk(path, text);
	expect(file.method).toBe('syntax');
	return file.entities.map(({ kind, name, line }) => `${kind} ${name}@${line}`);
}

describe('entities are what other files can name', () => {
	test('TypeScript', async () => {
		const text = `import { a } from './a';
export const LIMIT = 3, other = 4;
const hidden = 1;
export const arrow = (x: number) => { const inner = () => x; return inner; };
const helper = async () => {};
export default function main(): void {
	function nested() {}
}
export abstract class Box<T> extends Base {
	static readonly size = 1;
	constructor(private x: T) { super(); }
	get value(): T { return this.x; }
	#secret() {}
	handle = () => {};
	abstract open(): void;
}
export interface Shape { area(): number }
type Pair = [number, number];
export enum Color { Red }
namespace Geometry.Flat {
	export function area() {}
	export const PI = 3;
}
declare function external(a: string): void;
list.map((x) => { const local = () => x; class Local {} });
`;
		expect(await entities('a.ts', text)).toEqual([
			'constant LIMIT@1',
			'constant other@1',
			'function arrow@3',
			'function helper@4',
			'function main@5',
			'class Box@8',
			'method Box.value@11',
			'method Box.handle@13',
			'method Box.open@14',
			'type Shape@16',
			'type Pair@17',
			'type Color@18',
			'function Geometry.Flat.area@20',
			'constant Geometry.Flat.PI@21',
			'function external@23',
		]);
	});

	test('TSX', async () => {
		const text = `export const App: FC = () => <div onClick={() => { const a = () => 1; }}>{x}</div>;
export function Button<T>(props: T) { return <b/>; }
`;
		expect(await entities('a.tsx', text)).toEqual(['function App@0', 'function Button@1']);
	});

	test('JavaScript', async () => {
		const text = `exports.parse = function (text) {};
Point.prototype.norm = function () {};
module.exports.join = (a, b) => a + b;
class Point { static of() {} [Symbol.iterator]() {} move = () => {}; }
function* walk() {}
export const view = <p>hi</p>;
const Anonymous = class { run() {} };
`;
		expect(await entities('a.jsx', text)).toEqual([
			'function parse@0',
			'method Point.norm@1',
			'function join@2',
			'class Point@3',
			'method Point.of@3',
			'method Point.move@3',
			'function walk@4',
			'constant view@5',
			'class Anonymous@6',
			'method Anonymous.run@6',
		]);
	});

	test('Python', async () => {
		const text = `LIMIT: int = 3
logger = get()
@decorate
class Box(Base):
    SIZE = 1
    def __init__(self):
        def inner(): pass
    @property
    async def value(self): return 1
    class Meta:
        def label(self): pass
def main():
    x = lambda: 1
`;
		expect(await entities('a.py', text)).toEqual([
			'constant LIMIT@0',
			'class Box@3',
			'method Box.value@8',
			'class Box.Meta@9',
			'method Box.Meta.label@10',
			'function main@11',
		]);
	});

	test('Java', async () => {
		const text = `package a.b;
public class Box<T> {
  public static final int SIZE = 1;
  private static final int HIDDEN = 1;
  private int count;
  public Box() {}
  public <R> R map(Function<T, R> f) { return null; }
  static class Inner { void run() {} }
}
interface Shape { double PI = 3; double area(); }
enum Color { RED }
record Point(int x, int y) { int sum() { return x + y; } }
@interface Marked {}
`;
		expect(await entities('A.java', text)).toEqual([
			'class Box@1',
			'constant Box.SIZE@2',
			'method Box.map@6',
			'class Box.Inner@7',
			'method Box.Inner.run@7',
			'type Shape@9',
			'constant Shape.PI@9',
			'method Shape.area@9',
			'type Color@10',
			'class Point@11',
			'method Point.sum@11',
			'type Marked@12',
		]);
	});

	test('Go', async () => {
		const text = `package a
const Limit, hidden = 3, 4
var (
	ErrGone = errors.New("gone")
	local int
)
type Box[T any] struct { x T }
type Shape interface { Area() float64 }
type Alias = int
func New() *Box { f := func() {}; return nil }
func (b *Box[T]) Value() T { return b.x }
func (s Alias) String() string { return "" }
`;
		expect(await entities('a.go', text)).toEqual([
			'constant Limit@1',
			'constant ErrGone@3',
			'class Box@6',
			'type Shape@7',
			'type Alias@8',
			'function New@9',
			'method Box.Value@10',
			'method Alias.String@11',
		]);
	});

	test('Rust', async () => {
		const text = `pub const LIMIT: u8 = 3;
static NAME: &str = "a";
pub struct Box<T> { x: T }
enum Color { Red }
type Pair = (u8, u8);
pub trait Shape { fn area(&self) -> f64; fn name(&self) -> u8 { 1 } }
impl<T> Shape for Box<T> { fn area(&self) -> f64 { fn inner() {} 0.0 } }
mod flat { pub fn area() {} }
macro_rules! hello { () => {} }
fn main() { let c = |x| x; const LOCAL: u8 = 1; }
`;
		expect(await entities('a.rs', text)).toEqual([
			'constant LIMIT@0',
			'constant NAME@1',
			'class Box@2',
			'type Color@3',
			'type Pair@4',
			'type Shape@5',
			'method Shape.area@5',
			'method Shape.name@5',
			'method Box.area@6',
			'function flat.area@7',
			'function hello@8',
			'function main@9',
		]);
	});

	test('C and C++', async () => {
		const text = `#ifndef A_H
#define A_H
#define LIMIT 3
#define MAX(a, b) ((a) > (b) ? (a) : (b))
namespace geo {
template <class T>
class Box : public Base {
 public:
  Box();
  T value() const { return x; }
  virtual int* open(int a);
  int x;
};
}
struct Point { int x; };
struct Point origin(void);
typedef struct Point Pt;
using Pair = int;
enum class Color { Red };
const int kSize = 3;
static int local;
char *name(int a) { auto f = [](int b) { return b; }; return 0; }
int geo::Box<int>::twice() { return 2; }
#endif
`;
		expect(await entities('a.h', text)).toEqual([
			'constant LIMIT@2',
			'function MAX@3',
			'class geo.Box@6',
			'method geo.Box.value@9',
			'method geo.Box.open@10',
			'class Point@14',
			'function origin@15',
			'type Pt@16',
			'type Pair@17',
			'type Color@18',
			'constant kSize@19',
			'function name@21',
			'method geo.Box.twice@22',
		]);
	});

	test('C#', async () => {
		const text = `namespace A.B {
  public class Box<T> : Base {
    public const int Size = 1;
    private static readonly int Hidden = 2;
    int count;
    public Box() {}
    public T Value() { int Local() => 1; return x; }
  }
  public record Point(int X);
  struct Pair {}
  interface IShape { double Area(); }
  enum Color { Red }
  delegate void Handler(int a);
}
`;
		expect(await entities('A.cs', text)).toEqual([
			'class Box@1',
			'constant Box.Size@2',
			'constant Box.Hidden@3',
			'method Box.Value@6',
			'class Point@8',
			'class Pair@9',
			'type IShape@10',
			'method IShape.Area@10',
			'type Color@11',
			'type Handler@12',
		]);
	});

	test('Ruby', async () => {
		const text = `LIMIT = 3
module Geo
  class Box < Base
    SIZE = 1
    def initialize(x); @x = x; end
    def value?; @x; end
    def self.of(x); new(x); end
  end
end
class Geo::Flat; def area=(x); end; end
def main; end
`;
		expect(await entities('a.rb', text)).toEqual([
			'constant LIMIT@0',
			'class Geo@1',
			'class Geo.Box@2',
			'constant Geo.Box.SIZE@3',
			'method Geo.Box.value?@5',
			'method Geo.Box.of@6',
			'class Geo.Flat@9',
			'method Geo.Flat.area=@9',
			'function main@10',
		]);
	});

	test('PHP', async () => {
		const text = `<html><?php
namespace A\\B;
const LIMIT = 3;
abstract class Box extends Base {
  const SIZE = 1;
  public function __construct() {}
  public static function of($x) { $f = function () {}; return fn () => 1; }
}
interface Shape { function area(); }
trait Named { function name() {} }
enum Color { case Red; }
function main() {}
`;
		expect(await entities('a.php', text)).toEqual([
			'constant LIMIT@2',
			'class Box@3',
			'constant Box.SIZE@4',
			'method Box.of@6',
			'type Shape@8',
			'method Shape.area@8',
			'class Named@9',
			'method Named.name@9',
			'type Color@10',
			'function main@11',
		]);
	});
});
