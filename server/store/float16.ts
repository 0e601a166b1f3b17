/**
 * Half-precision floats, for vectors at rest: rounding to nearest even, relative error at most 2^-11 above 6e-5. Infinities
 * and values above 65504 are outside what unit vectors hold and are not kept.
 */

/** Half-precision bit patterns of the values. */
export function toFloat16(values: Float32Array): Uint16Array {
	const halves = new Uint16Array(values.length);
	const scaled = new Float32Array(1);
	const bits = new Uint32Array(scaled.buffer);
	for (let i = 0; i < values.length; i++) {
		// Scaling moves the exponent into the half's range, and small values into float32's own subnormals.
		scaled[0] = (values[i] as number) * 2 ** -112;
		const word = bits[0] as number;
		const magnitude = (word & 0x7fffffff) + 0xfff + ((word >>> 13) & 1);
		halves[i] = ((word >>> 16) & 0x8000) | ((magnitude >>> 13) & 0x7fff);
	}
	return halves;
}

/** The values of half-precision bit patterns, read from little-endian bytes at any alignment. */
export function fromFloat16(bytes: Uint8Array): Float32Array {
	const values = new Float32Array(bytes.length >> 1);
	const bits = new Uint32Array(values.buffer);
	for (let i = 0; i < values.length; i++) {
		const half = (bytes[2 * i] as number) | ((bytes[2 * i + 1] as number) << 8);
		bits[i] = ((half & 0x8000) << 16) | ((half & 0x7fff) << 13);
		values[i] = (values[i] as number) * 2 ** 112;
	}
	return values;
}
