import { testOverlaps } from '../../support/overlap/overlap-tests.ts';

testOverlaps('strict', [
  { first: 'online', second: 'online again', how: 'paused', least: 12 },
  { first: 'online', second: 'offline', how: 'paused', least: 12 },
  { first: 'online', second: 'refilter', how: 'paused', least: 12 },
  { first: 'online', second: 'vif disabled', how: 'paused', least: 12 },
  { first: 'online', second: 'flush', how: 'paused', least: 12 },
  { first: 'online', second: 'offline', how: 'killed', least: 12 },
  { first: 'offline', second: 'online', how: 'paused', least: 8 },
  { first: 'offline', second: 'refilter', how: 'paused', least: 8 },
  { first: 'offline', second: 'recover', how: 'killed', least: 8 },
  { first: 'offline', second: 'refilter', how: 'killed', least: 8 },
  { first: 'vif disabled', second: 'online again', how: 'paused', least: 6 },
  { first: 'vif disabled', second: 'offline', how: 'paused', least: 6 },
]);

testOverlaps('yes', [
  { first: 'online', second: 'flush', how: 'paused', least: 12 },
  { first: 'offline', second: 'recover', how: 'killed', least: 8 },
]);

testOverlaps('no', [{ first: 'online', second: 'offline', how: 'killed', least: 8 }]);

testOverlaps('switched', [
  { first: 'online', second: 'offline of another', how: 'paused', least: 8 },
  { first: 'online', second: 'online again', how: 'killed', least: 8 },
  { first: 'offline', second: 'recover', how: 'killed', least: 5 },
]);
