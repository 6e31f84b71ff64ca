import { testOverlaps } from '../../support/overlap/overlap-tests.ts';

testOverlaps('two strict', [
  { first: 'start 0', second: 'start 1', how: 'paused' },
  { first: 'start 0', second: 'stop 1', how: 'paused' },
  { first: 'start 0', second: 'start 1', how: 'killed' },
  { first: 'stop 0', second: 'refilter', how: 'killed' },
]);

testOverlaps('routed', [
  { first: 'nat start', second: 'route start', how: 'paused' },
  { first: 'nat start', second: 'virtual start', how: 'paused' },
  { first: 'virtual start', second: 'route expiry', how: 'paused' },
  { first: 'virtual expiry', second: 'recover', how: 'killed' },
  { first: 'virtual stop', second: 'offline on the virtual network', how: 'killed' },
  { first: 'vif-nat online', second: 'refilter', how: 'paused' },
  { first: 'nat stop', second: 'virtual start', how: 'paused' },
  { first: 'vif-route tap add', second: 'vif-route online', how: 'paused' },
  { first: 'vif-route tap remove', second: 'virtual expiry', how: 'paused' },
  { first: 'nat start', second: 'vif-route offline', how: 'killed' },
  { first: 'virtual stop', second: 'vif-route tap remove', how: 'killed' },
]);

testOverlaps('two yes', [{ first: 'start 0', second: 'stop 1', how: 'killed' }]);

testOverlaps('two no', [{ first: 'start 0', second: 'online on 1', how: 'paused' }]);

testOverlaps('multi', [
  { first: 'start of one', second: 'start of the other', how: 'paused' },
  { first: 'start of both', second: 'start beside', how: 'killed' },
  { first: 'stop', second: 'refilter', how: 'killed' },
]);
