import { testOverlaps } from '../support/overlap-tests.ts';

testOverlaps('two strict', [
  { first: 'start 0', second: 'start 1', how: 'paused', least: 40 },
  { first: 'start 0', second: 'stop 1', how: 'paused', least: 40 },
]);
