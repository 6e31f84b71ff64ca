import { describe, expect, test } from 'vitest';
import { XenstoreError } from '../../../lib/errors.ts';
import {
  concatBytes,
  decodeStrings,
  decodeText,
  encodeFrame,
  encodeStrings,
  encodeText,
  type Frame,
  FrameDecoder,
  pathFault,
  XS_TYPE,
  xsErrorWords,
} from '../../../lib/wire/xenstore.ts';
import { type Random, randomNumbers } from '../../support/random.ts';

function randomFrame(random: Random): Frame {
  const payload = Uint8Array.from({ length: random(4) === 0 ? random(4097) : random(40) }, () => random(256));
  return { type: random(24), requestId: random(2 ** 32), transactionId: random(2 ** 32), payload };
}

describe('frames', () => {
  test('a read of /a, byte by byte', () => {
    const frame = {
      type: XS_TYPE.read,
      requestId: 0x01020304,
      transactionId: 5,
      payload: encodeStrings(['/a']),
    };
    expect([...encodeFrame(frame)]).toEqual([2, 0, 0, 0, 4, 3, 2, 1, 5, 0, 0, 0, 3, 0, 0, 0, 0x2f, 0x61, 0]);
  });

  test('random frames survive a stream that is cut at random points', () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const random = randomNumbers(seed);
      const frames = Array.from({ length: 1 + random(8) }, () => randomFrame(random));
      const stream = concatBytes(frames.map(encodeFrame));
      const decoder = new FrameDecoder();
      const decoded: Frame[] = [];
      for (let offset = 0; offset < stream.length; ) {
        const length = 1 + random(random(2) === 0 ? 20 : 5000);
        decoded.push(...decoder.push(stream.subarray(offset, offset + length)));
        offset += length;
      }
      expect(decoded, `seed ${seed}`).toEqual(frames);
    }
  });

  test('a payload of 4096 bytes is the longest', () => {
    const frame = { type: XS_TYPE.write, requestId: 1, transactionId: 0, payload: new Uint8Array(4096) };
    expect(encodeFrame(frame)).toHaveLength(4112);
    expect(() => encodeFrame({ ...frame, payload: new Uint8Array(4097) })).toThrow(XenstoreError);
  });

  test('a header that announces more is refused, after the whole frames before it', () => {
    const whole = { type: XS_TYPE.read, requestId: 7, transactionId: 0, payload: encodeStrings(['/x']) };
    const header = encodeFrame({ ...whole, payload: new Uint8Array(0) });
    new DataView(header.buffer).setUint32(12, 4097, true);
    const decoder = new FrameDecoder();
    const got: Frame[] = [];
    expect(() => {
      for (const frame of decoder.push(concatBytes([encodeFrame(whole), header]))) got.push(frame);
    }).toThrow('announces 4097 bytes');
    expect(got).toEqual([whole]);
  });
});

describe('payloads', () => {
  test.each([
    [[], ''],
    [[''], '\0'],
    [['a'], 'a\0'],
    [['a', '', 'b'], 'a\0\0b\0'],
    [['ü', ''], 'ü\0\0'],
  ])('strings %j', (strings, payload) => {
    expect(decodeText(encodeStrings(strings))).toBe(payload);
    expect(decodeStrings(encodeText(payload))).toEqual(strings);
  });

  test('the last string may lack its NUL', () => {
    expect(decodeStrings(encodeText('a\0b'))).toEqual(['a', 'b']);
  });

  test('what is not UTF-8 becomes U+FFFD, and a byte order mark stays', () => {
    expect(decodeText(Uint8Array.of(0x61, 0xff, 0x62))).toBe('a\ufffdb');
    expect(decodeText(Uint8Array.of(0xef, 0xbb, 0xbf, 0x62))).toBe('\ufeffb');
  });
});

describe('paths', () => {
  const good = [
    '/',
    '/a',
    'backend/vif/1/0',
    '/local/domain/0/backend/vif/1/0/hotplug-status',
    '@introduceDomain',
  ];
  test.each([...good, `/${'a'.repeat(3071)}`, 'a'.repeat(2048)])('%.50s can be', (path) => {
    expect(pathFault(path)).toBeUndefined();
  });

  test.each([
    ['', 'is empty'],
    ['//', 'has an empty part'],
    ['/a/', 'has an empty part'],
    ['/a//b', 'has an empty part'],
    ['/a b', 'has a character'],
    ['/a\0b', 'has a character'],
    ['/a\n', 'has a character'],
    ['/a.b', 'has a character'],
    ['/ü', 'has a character'],
    [`/${'a'.repeat(3072)}`, 'has 3073 bytes'],
    ['a'.repeat(2049), 'has 2049 bytes'],
  ])('%.50j cannot be', (path, fault) => {
    expect(pathFault(path)).toContain(fault);
  });
});

test('errors in words', () => {
  expect(xsErrorWords('EACCES')).toBe('permission is denied (EACCES)');
  expect(xsErrorWords('EWHAT\n')).toBe('error "EWHAT\\n"');
  expect(xsErrorWords('toString')).toBe('error "toString"');
});
