import { listScenarios, testScenarios } from './scenarios.ts';
import { chosenSuite } from './suites.ts';

// What `npm run test:xen` runs: all of the lab.
testScenarios(chosenSuite(), listScenarios(), { memory: 3072, minutes: 60, unable: 'fail' });
