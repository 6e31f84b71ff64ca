import { testScenarios } from './scenarios.ts';
import { USUAL_SUITE } from './suites.ts';

// What `npm test` runs of the lab.
testScenarios(USUAL_SUITE, ['pv', 'no-bridge'], { memory: 2048, minutes: 8, unable: 'skip' });
