/** Durations as people say them. */

/** `less than a minute`, `about 3 min`, `about 2 h`. */
export function roughDuration(ms: number): string {
	const minutes = ms / 60_000;
	if (minutes < 1) return 'less than a minute';
	return minutes < 90 ? `about ${Math.round(minutes)} min` : `about ${Math.round(minutes / 60)} h`;
}
