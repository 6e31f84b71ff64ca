import type { Context } from '../../lib/hook/context.ts';

export async function sandbox(context: Context): Promise<number> {
  context.print('sandbox\n');
  return 0;
}
