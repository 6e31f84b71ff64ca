import { testScenarios } from './scenarios.ts';

// What `npm test` runs of the lab.
testScenarios(['pv', 'no-bridge'], 2048, 'skip');
