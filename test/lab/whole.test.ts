import { listScenarios, testScenarios } from './scenarios.ts';

// What `npm run test:xen` runs: all of the lab.
testScenarios(listScenarios(), { memory: 3072, minutes: 30, unable: 'fail' });
