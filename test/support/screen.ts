// What a person reads on a screen that is only ever written on: no escape sequences, no carriage returns.

import { stripVTControlCharacters } from 'node:util';

import { Output } from './output.ts';

export class Screen extends Output {
  override get text(): string {
    return stripVTControlCharacters(super.text).replaceAll('\r', '');
  }
}
