import type { SerializedError } from 'vitest';
import type { TestModule, TestRunEndReason } from 'vitest/node';
import { DefaultReporter } from 'vitest/node';

/**
 * Vitest's default reporter, followed by each skipped test with its reason and, as the last line on its own,
 * `N passed, N failed, N skipped`. A file that could not be loaded and an error outside all tests count as failed; tests
 * that `-t` leaves out do not count.
 */
export default class SummaryReporter extends DefaultReporter {
  override onTestRunEnd(
    modules: readonly TestModule[],
    unhandledErrors: readonly SerializedError[],
    reason: TestRunEndReason,
  ): void {
    super.onTestRunEnd(modules, unhandledErrors, reason);
    let passed = 0;
    let failed = unhandledErrors.length;
    let skipped = 0;
    const chosen = this.ctx.config.testNamePattern;
    for (const module of modules) {
      failed += module.errors().length;
      for (const suite of module.children.allSuites()) {
        failed += suite.errors().length;
      }
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') {
          passed += 1;
        } else if (result.state === 'skipped') {
          // Vitest matches what `-t` says with names that are joined by blanks.
          if (chosen?.test(test.fullName.replaceAll(' > ', ' ')) === false) continue;
          skipped += 1;
          const why = result.note ?? 'no reason given';
          process.stdout.write(`skipped: ${module.relativeModuleId} > ${test.fullName}: ${why}\n`);
        } else {
          failed += 1;
        }
      }
    }
    process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  }
}
