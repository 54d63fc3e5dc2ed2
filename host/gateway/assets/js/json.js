// Data for people: JSON laid out and coloured, text as text, bytes as a dump. All of it as text nodes.

import { h } from './dom.js';
import { bytes, count } from './format.js';

// Over so many characters nothing is coloured, over so many bytes nothing more is dumped: a page is no editor.
const COLOUR_CHARS_MAX = 60_000;
const DUMP_BYTES_MAX = 16 << 10;

// What stands in an event's data: `{ kind, size, text, element }`, or null where there is none.
export function dataOf(event) {
  if (event.data_base64 !== undefined) return dump(String(event.data_base64));
  if (event.data === undefined) return null;
  if (typeof event.data === 'string' && !isJson(event.datacontenttype)) return plain('text', event.data);
  const text = JSON.stringify(event.data, null, 2);
  if (text.length > COLOUR_CHARS_MAX) return plain('JSON, not coloured for its size', text);
  return { kind: 'JSON', size: new Blob([text]).size, text, element: h('pre.data', {}, colour(text)) };
}

const isJson = (type) => /^application\/json\b|\+json\b/i.test(type ?? 'application/json');

function plain(kind, text) {
  return { kind, size: new Blob([text]).size, text, element: h('pre.data', {}, text) };
}

// The tokens of laid-out JSON, each in its colour.
function colour(text) {
  const parts = [];
  const tokens = /("(?:[^"\\]|\\.)*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\b(?:true|false|null)\b/g;
  let end = 0;
  for (const found of text.matchAll(tokens)) {
    if (found.index > end) parts.push(text.slice(end, found.index));
    const [all, string, colon] = found;
    if (colon !== undefined) parts.push(h('span.j-key', {}, string), colon);
    else if (string !== undefined) parts.push(h('span.j-text', {}, string));
    else parts.push(h(/^[tfn]/.test(all) ? 'span.j-word' : 'span.j-num', {}, all));
    end = found.index + all.length;
  }
  parts.push(text.slice(end));
  return parts;
}

function dump(base64) {
  const size = Math.floor((base64.replace(/=+$/, '').length * 3) / 4);
  let binary;
  try {
    binary = atob(base64.slice(0, Math.ceil(DUMP_BYTES_MAX / 3) * 4));
  } catch {
    return plain('base64 that cannot be read', base64.slice(0, 4096));
  }
  const lines = [];
  for (let at = 0; at < binary.length; at += 16) {
    const chunk = [...binary.slice(at, at + 16)].map((char) => char.charCodeAt(0));
    const hex = chunk.map((byte) => byte.toString(16).padStart(2, '0')).join(' ').padEnd(47);
    const ascii = chunk.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '·')).join('');
    lines.push(`${at.toString(16).padStart(6, '0')}  ${hex}  ${ascii}`);
  }
  if (size > binary.length) lines.push(`… ${count(size - binary.length)} more bytes`);
  return { kind: 'bytes', size, text: base64, element: h('pre.data', {}, lines.join('\n')) };
}

export const sized = (data) => `${data.kind} · ${bytes(data.size)}`;
