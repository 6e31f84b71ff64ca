import { NETWORK_HOOKS } from './network.ts';
import type { HookDescription } from './variable.ts';
import { VIF_HOOKS } from './vif.ts';

/** Every hook's description by its name: the one that --help, the manual pages and completion show. */
export const DESCRIBED_HOOKS: Readonly<Record<string, HookDescription>> = { ...NETWORK_HOOKS, ...VIF_HOOKS };
