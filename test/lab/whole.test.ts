import { listScenarios, testScenarios } from './scenarios.ts';

// What `npm run test:xen` runs: all of the lab.
testScenarios(listScenarios(), 3072, 'fail');
