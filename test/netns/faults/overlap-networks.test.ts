import { testOverlaps } from '../../support/overlap/overlap-tests.ts';

testOverlaps('two strict', [
  { first: 'start 0', second: 'start 1', how: 'paused', least: 40 },
  { first: 'start 0', second: 'stop 1', how: 'paused', least: 40 },
  { first: 'start 0', second: 'start 1', how: 'killed', least: 40 },
  { first: 'stop 0', second: 'refilter', how: 'killed', least: 19 },
]);

testOverlaps('routed', [
  { first: 'nat start', second: 'route start', how: 'paused', least: 10 },
  { first: 'nat start', second: 'virtual start', how: 'paused', least: 10 },
  { first: 'virtual start', second: 'route expiry', how: 'paused', least: 15 },
  { first: 'vif-nat online', second: 'refilter', how: 'paused', least: 12 },
  { first: 'nat stop', second: 'virtual start', how: 'paused', least: 10 },
]);

testOverlaps('two yes', [{ first: 'start 0', second: 'stop 1', how: 'killed', least: 40 }]);

testOverlaps('two no', [{ first: 'start 0', second: 'online on 1', how: 'paused', least: 40 }]);

testOverlaps('multi', [
  { first: 'start of one', second: 'start of the other', how: 'paused', least: 40 },
  { first: 'start of both', second: 'start beside', how: 'killed', least: 40 },
  { first: 'stop', second: 'refilter', how: 'killed', least: 30 },
]);
