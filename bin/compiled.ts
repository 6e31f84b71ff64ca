// The entry of the compiled program. Nothing may run while it is loaded, since its snapshot is made then.

import '../lib/engine/engine.ts';
import { loadNative } from '../lib/system/kernel/load-native.ts';
import { HOOKS } from './hooks.ts';
import { runCall } from './main.ts';

/** The hooks for which guests wait; their modules are in the snapshot. */
const IN_SNAPSHOT = ['vif-bridge', 'vif-nat', 'vif-route'];

engine.main = runCall;
engine.preload = () => {
  for (const hook of IN_SNAPSHOT) void HOOKS[hook]?.();
  void loadNative();
};
