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
	private secret = 1;
	constructor(private x: T, readonly given: T, plain: T) { super(); this.late = 1; }
	get value(): T { return this.x; }
	#secret() {}
	handle = () => {};
	abstract open(): void;
}
export interface Shape { area(): number; readonly sides?: number; [key: string]: unknown }
type Pair = { left: number };
export const table = { row: 1, find() {}, 'quoted': 2 };
export enum Color { Red, Blue = 2 }
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
			'field Box.size@9',
			'field Box.given@11',
			'field Box.late@11',
			'method Box.value@12',
			'method Box.handle@14',
			'method Box.open@15',
			'type Shape@17',
			'field Shape.area@17',
			'field Shape.sides@17',
			'type Pair@18',
			'field Pair.left@18',
			'constant table@19',
			'field table.row@19',
			'field table.find@19',
			'type Color@20',
			'field Color.Red@20',
			'field Color.Blue@20',
			'function Geometry.Flat.area@22',
			'constant Geometry.Flat.PI@23',
			'function external@25',
		]);
	});

	test('a class of many fields leaves room for what follows', async () => {
		const fields = Array.from({ length: 300 }, (_, n) => `\tfield${n} = ${n};`).join('\n');
		const names = await entities('a.ts', `class Table {\n${fields}\n\tlast() {}\n}\nfunction after() {}\n`);
		expect(names.length).toBe(1 + 64 + 2);
		expect(names.slice(-3)).toEqual(['field Table.field63@64', 'method Table.last@301', 'function after@303']);
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
    __slots__ = ()
    kind: str
    def __init__(self):
        self.late = 1
        other.late2 = 2
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
			'field Box.SIZE@4',
			'field Box.kind@6',
			'field Box.late@8',
			'method Box.value@12',
			'class Box.Meta@13',
			'method Box.Meta.label@14',
			'function main@15',
		]);
	});

	test('Java', async () => {
		const text = `package a.b;
public class Box<T> {
  public static final int SIZE = 1;
  private static final int HIDDEN = 1;
  private int count;
  protected int shared;
  public Box() {}
  public <R> R map(Function<T, R> f) { return null; }
  static class Inner { void run() {} }
}
interface Shape { double PI = 3; double area(); }
enum Color { RED, BLUE }
record Point(int x, int y) { int sum() { return x + y; } }
@interface Marked {}
`;
		expect(await entities('A.java', text)).toEqual([
			'class Box@1',
			'constant Box.SIZE@2',
			'field Box.shared@5',
			'method Box.map@7',
			'class Box.Inner@8',
			'method Box.Inner.run@8',
			'type Shape@10',
			'constant Shape.PI@10',
			'method Shape.area@10',
			'type Color@11',
			'field Color.RED@11',
			'field Color.BLUE@11',
			'class Point@12',
			'field Point.x@12',
			'field Point.y@12',
			'method Point.sum@12',
			'type Marked@13',
		]);
	});

	test('Go', async () => {
		const text = `package a
const Limit, hidden = 3, 4
var (
	ErrGone = errors.New("gone")
	local int
)
type Box[T any] struct { x, y T }
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
			'field Box.x@6',
			'field Box.y@6',
			'type Shape@7',
			'field Shape.Area@7',
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
enum Color { Red, Blue(u8) }
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
			'field Box.x@2',
			'type Color@3',
			'field Color.Red@3',
			'field Color.Blue@3',
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
  int x, *next, rows[3];
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
			'field geo.Box.x@11',
			'field geo.Box.next@11',
			'field geo.Box.rows@11',
			'class Point@14',
			'field Point.x@14',
			'function origin@15',
			'type Pt@16',
			'type Pair@17',
			'type Color@18',
			'field Color.Red@18',
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
    public string Name { get; set; }
    internal int shared;
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
			'field Box.Name@5',
			'field Box.shared@6',
			'method Box.Value@8',
			'class Point@10',
			'field Point.X@10',
			'class Pair@11',
			'type IShape@12',
			'method IShape.Area@12',
			'type Color@13',
			'field Color.Red@13',
			'type Handler@14',
		]);
	});

	test('Ruby', async () => {
		const text = `LIMIT = 3
module Geo
  class Box < Base
    SIZE = 1
    attr_reader :width, :height
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
			'field Geo.Box.width@4',
			'field Geo.Box.height@4',
			'method Geo.Box.value?@6',
			'method Geo.Box.of@7',
			'class Geo.Flat@10',
			'method Geo.Flat.area=@10',
			'function main@11',
		]);
	});

	test('PHP', async () => {
		const text = `<html><?php
namespace A\\B;
const LIMIT = 3;
abstract class Box extends Base {
  const SIZE = 1;
  private $hidden = 1;
  public $width = 1;
  public function __construct(public int $height, int $plain) {}
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
			'field Box.width@6',
			'field Box.height@7',
			'method Box.of@8',
			'type Shape@10',
			'method Shape.area@10',
			'class Named@11',
			'method Named.name@11',
			'type Color@12',
			'field Color.Red@12',
			'function main@13',
		]);
	});
});
