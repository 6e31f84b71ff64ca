import { testScenarios } from './scenarios.ts';

// What `npm test` runs of the lab.
testScenarios(['pv', 'no-bridge'], { memory: 2048, minutes: 8, unable: 'skip' });
