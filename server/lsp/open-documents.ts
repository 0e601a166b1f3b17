/** The documents that are open, and what the services were told of them. */
import type { Services } from '../services.ts';
import type { Place } from './places.ts';

export class OpenDocuments {
	readonly #locate: (uri: string) => Place;
	#uris: readonly string[] = [];
	/** By folder. */
	readonly #told = new Map<string, string>();

	constructor(locate: (uri: string) => Place) {
		this.#locate = locate;
	}

	/** @param uris the one looked at last first */
	set(uris: readonly string[]): void {
		this.#uris = uris;
	}

	/** Which documents of the folder are open, if that is news. */
	tell(services: Pick<Services, 'prioritise'>, folder: string): void {
		const paths = this.#uris.flatMap((uri) => {
			const place = this.#locate(uri);
			return place.folder === folder ? [place.path] : [];
		});
		if ((this.#told.get(folder) ?? '') === paths.join('\n')) return;
		this.#told.set(folder, paths.join('\n'));
		services.prioritise(folder, paths);
	}

	/** Other services know nothing yet. */
	forgetTold(): void {
		this.#told.clear();
	}
}
