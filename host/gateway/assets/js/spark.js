// A line of the last minute.

import { attr, s } from './dom.js';

const POINTS_MAX = 60;

export class Spark {
  constructor(label) {
    this.values = [];
    this.area = s('path.area');
    this.stroke = s('path.stroke');
    this.element = s(
      'svg.spark', { viewBox: `0 0 ${POINTS_MAX - 1} 40`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
      this.area, this.stroke,
    );
  }

  push(value) {
    this.values.push(value);
    if (this.values.length > POINTS_MAX) this.values.shift();
    const { stroke, area } = lines(this.values, POINTS_MAX, 40);
    attr(this.stroke, 'd', stroke);
    attr(this.area, 'd', area);
  }
}

// The paths through the values, the newest on the right. Pure.
export function lines(values, points, height) {
  const top = Math.max(...values, 1);
  const at = (value, n) => `${points - values.length + n} ${(height - 1 - (value / top) * (height - 3)).toFixed(1)}`;
  const path = values.map(at).join('L');
  const left = points - values.length;
  return { stroke: `M${path}`, area: `M${left} ${height}L${path}L${points - 1} ${height}Z` };
}
