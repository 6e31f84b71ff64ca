import { runCall } from './main.ts';

runCall();
