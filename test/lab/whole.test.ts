import { listScenarios, testScenarios, testTwoHosts } from './scenarios.ts';
import { chosenSuite } from './suites.ts';

// What `npm run test:xen` runs: all of the lab.
testScenarios(chosenSuite(), listScenarios(), { memory: 3072, minutes: 60, unable: 'fail' });
testTwoHosts(chosenSuite(), { memory: 2048, minutes: 60 });
