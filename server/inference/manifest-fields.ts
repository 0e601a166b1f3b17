/**
 * Reads the fields of a JSON object, writing down what is wrong instead of stopping at the first mistake. A field that is
 * wrong reads as an empty value of its type, so that reading goes on; nothing read is used once there are problems.
 */

export interface Fields {
	/** The value as it stands; undefined when absent. */
	raw(name: string): unknown;
	names(): string[];
	object(name: string): Fields;
	text(name: string): string;
	optionalText(name: string): string | undefined;
	number(name: string): number;
	/** A whole number of at least `minimum` (default 1). */
	count(name: string, minimum?: number): number;
	/** A list of token ids. */
	ids(name: string): number[];
	/** 64 hex digits, in lower case. */
	sha256(name: string): string;
	problem(name: string, message: string): void;
}

/**
 * @param path of the object inside the document, '' for the document itself
 * @param problems grows by one sentence for each wrong field, beginning with the field's path
 */
export function fieldsOf(value: unknown, path: string, problems: string[]): Fields {
	const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
	const values = isObject ? (value as Record<string, unknown>) : {};
	// Of an object that is missing altogether, its fields need no mention.
	if (!isObject) problems.push(`${path || 'manifest'}: expected an object, got ${describe(value)}`);
	const problem = (name: string, message: string) => {
		if (isObject) problems.push(`${path ? `${path}.` : ''}${name}: ${message}`);
	};
	const raw = (name: string): unknown => (Object.hasOwn(values, name) ? values[name] : undefined);
	const checked = <T>(name: string, expected: string, isRight: (value: unknown) => value is T, otherwise: T): T => {
		const field = raw(name);
		if (isRight(field)) return field;
		problem(name, `expected ${expected}, got ${describe(field)}`);
		return otherwise;
	};
	const isCount =
		(minimum: number) =>
		(field: unknown): field is number =>
			Number.isSafeInteger(field) && (field as number) >= minimum;

	return {
		raw,
		names: () => Object.keys(values),
		object: (name) => (isObject ? fieldsOf(raw(name), path ? `${path}.${name}` : name, problems) : fieldsOf({}, path, [])),
		text: (name) => checked(name, 'a text', (field): field is string => typeof field === 'string' && field !== '', ''),
		optionalText: (name) =>
			raw(name) === undefined ? undefined : checked(name, 'a text', (field): field is string => typeof field === 'string', ''),
		number: (name) => checked(name, 'a number', (field): field is number => Number.isFinite(field), 0),
		count: (name, minimum = 1) => checked(name, `a whole number of at least ${minimum}`, isCount(minimum), minimum),
		ids: (name) => checked(name, 'a list of token ids', (field): field is number[] => Array.isArray(field) && field.every(isCount(0)), []),
		sha256: (name) =>
			checked(name, '64 hex digits', (field): field is string => typeof field === 'string' && /^[0-9a-f]{64}$/.test(field), ''),
		problem,
	};
}

function describe(value: unknown): string {
	if (value === undefined) return 'nothing';
	const json = JSON.stringify(value) ?? typeof value;
	return json.length > 60 ? `${json.slice(0, 57)}…` : json;
}
