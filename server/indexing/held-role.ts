/**
 * The role that a folder's index has at present, and the one queue of all that empties, replaces or closes its store.
 *
 * Guarantees: such tasks run alone, one after the other, in the order in which they were asked for; nobody is given the role
 * meanwhile, nor does it report anything.
 */
import type { WorkspaceReport } from 'hef-shared';
import type { Role } from './role.ts';

export class HeldRole {
	#present: Promise<Role>;
	#last: Role | undefined;
	#substitute: WorkspaceReport | undefined;

	constructor() {
		this.#present = Promise.reject(new Error('the index is not open'));
		this.#present.catch(() => {});
	}

	/** Waits for the tasks that were asked for. Another promise from then on, so that whoever was rejected by one can ask again. */
	get present(): Promise<Role> {
		return this.#present;
	}

	/** As the last task left it. Its store may be closed while there is a {@link substitute}. */
	get last(): Role | undefined {
		return this.#last;
	}

	/** To be reported instead of what the role says, while a task runs and when there is no role after it. */
	get substitute(): WorkspaceReport | undefined {
		return this.#substitute;
	}

	/**
	 * @param task gets the role unless there is none, and returns what is the role from then on; when it rejects there is none
	 * @param substitute what is reported meanwhile
	 * @param ended awaited before the role is given to those who wait
	 */
	alone(
		task: (role: Role | undefined) => Promise<Role>,
		substitute: (role: Role) => WorkspaceReport,
		ended: (role: Role, isNew: boolean) => Promise<void>,
	): Promise<Role> {
		const before = this.#present.catch(() => undefined);
		this.#present = before.then(async (present) => {
			if (present) this.#substitute = substitute(present);
			const role = await task(present);
			this.#last = role;
			this.#substitute = undefined;
			await ended(role, role !== present);
			return role;
		});
		return this.#present;
	}
}
