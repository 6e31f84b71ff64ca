import { testOverlaps } from '../../support/overlap/overlap-tests.ts';

testOverlaps('strict', [
  { first: 'online', second: 'online again', how: 'paused' },
  { first: 'online', second: 'offline', how: 'paused' },
  { first: 'online', second: 'refilter', how: 'paused' },
  { first: 'online', second: 'vif disabled', how: 'paused' },
  { first: 'online', second: 'flush', how: 'paused' },
  { first: 'online', second: 'offline', how: 'killed' },
  { first: 'offline', second: 'online', how: 'paused' },
  { first: 'offline', second: 'refilter', how: 'paused' },
  { first: 'offline', second: 'recover', how: 'killed' },
  { first: 'offline', second: 'refilter', how: 'killed' },
  { first: 'vif disabled', second: 'online again', how: 'paused' },
  { first: 'vif disabled', second: 'offline', how: 'paused' },
  { first: 'online', second: 'xenstored restarts', how: 'paused' },
  { first: 'offline', second: 'xenstored restarts', how: 'paused' },
  { first: 'tap add', second: 'offline', how: 'paused' },
  { first: 'tap add', second: 'refilter', how: 'killed' },
]);

testOverlaps('yes', [
  { first: 'online', second: 'flush', how: 'paused' },
  { first: 'online', second: 'refilter', how: 'paused' },
  { first: 'online', second: 'refilter', how: 'killed' },
  { first: 'offline', second: 'recover', how: 'killed' },
  { first: 'offline', second: 'refilter', how: 'killed' },
]);

testOverlaps('no', [{ first: 'online', second: 'offline', how: 'killed' }]);

testOverlaps('routed strict', [
  { first: 'online', second: 'offline', how: 'killed' },
  { first: 'online', second: 'refilter', how: 'paused' },
  { first: 'offline', second: 'refilter', how: 'killed' },
]);

testOverlaps('switched', [
  { first: 'online', second: 'offline of another', how: 'paused' },
  { first: 'online', second: 'online again', how: 'killed' },
  { first: 'offline', second: 'recover', how: 'killed' },
]);
