import type { Xenstore } from '../../system/xenstore/xenstore.ts';

/** The toolstack's names for a guest. */
export interface Vm {
  readonly name: string | undefined;
  readonly uuid: string | undefined;
}

/**
 * Reads a guest's name and uuid, through its domain's entry in xenstore (docs/contract.md, "vif-openvswitch online").
 * @param store undefined where no xenstore answers
 * @param domid the guest's domain id, in digits
 */
export async function readVm(store: Xenstore | undefined, domid: string): Promise<Vm> {
  const unknown = { name: undefined, uuid: undefined };
  if (store === undefined || !/^\d{1,5}$/.test(domid)) return unknown;
  const [path] = await store.readMany([`/local/domain/${domid}/vm`]);
  if (path === undefined || !/^\/vm\/[\w-]+$/.test(path)) return unknown;
  const [name, uuid] = await store.readMany([`${path}/name`, `${path}/uuid`]);
  return { name, uuid };
}
