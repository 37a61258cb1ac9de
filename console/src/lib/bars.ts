import { BarChart } from 'echarts/charts';
import { GridComponent, TooltipComponent } from 'echarts/components';
import { type EChartsType, init, use } from 'echarts/core';
import { LabelLayout } from 'echarts/features';
import { CanvasRenderer } from 'echarts/renderers';

import { compact, decimal, money, percent } from './format.ts';
import { color } from './theme.svelte.ts';

use([BarChart, GridComponent, TooltipComponent, LabelLayout, CanvasRenderer]);

export interface Bar {
  name: string;
  value: number;
  exposure: number | null;
  marginal: number | null;
  /** The measure of a group alone, and how much lower it is without the group; null for what is no group. */
  standalone: number | null;
  incremental: number | null;
}

const font = "'IBM Plex Sans Variable', sans-serif";

export const createBars = (root: HTMLElement): EChartsType => init(root, undefined, { renderer: 'canvas' });

/** Horizontal bars, largest first; what lowers the risk goes left in the hedge colour. The outline is the group alone. */
export function drawBars(chart: EChartsType, bars: readonly Bar[], total: number, currency: string): void {
  const text = { fontFamily: font, fontSize: 12 };
  const grouped = bars.some((b) => b.standalone !== null);
  const names = grouped ? 96 : 48; // symbols are short, names of portfolios are not
  chart.setOption(
    {
      animation: false,
      grid: { left: names + 6, right: 88, top: 2, bottom: 22, containLabel: false },
      xAxis: {
        type: 'value', splitNumber: 4,
        axisLabel: { ...text, fontSize: 11.5, color: color('text-3'), formatter: (v: number) => compact(v), hideOverlap: true },
        splitLine: { lineStyle: { color: color('line') } },
      },
      yAxis: {
        type: 'category', inverse: true, data: bars.map((b) => b.name),
        axisLine: { onZero: true, lineStyle: { color: color('text-3') } }, axisTick: { show: false },
        axisLabel: { ...text, color: color('text-2'), interval: 0, width: names, overflow: 'truncate' },
      },
      tooltip: {
        trigger: 'item', confine: true, backgroundColor: color('raised'), borderColor: color('line-strong'),
        textStyle: { ...text, color: color('text') },
        formatter: ({ dataIndex }: { dataIndex: number }) => tip(bars[dataIndex], total, currency),
      },
      series: [
        {
          type: 'bar', barMaxWidth: 13, barCategoryGap: '28%',
          data: bars.map((b) => ({
            value: b.value,
            itemStyle: { color: color(b.value < 0 ? 'gain' : 'final') },
            label: { position: 'right' as const },
          })),
          barGap: '-100%', z: 3,
          labelLayout: () => ({ x: chart.getWidth() - 8, align: 'right' as const, verticalAlign: 'middle' as const }),
          label: {
            ...text, show: true, color: color('text-2'),
            formatter: ({ dataIndex }: { dataIndex: number }) => label(bars[dataIndex], total),
          },
        },
        {
          type: 'bar', barMaxWidth: 13, silent: true, z: 2,
          data: grouped ? bars.map((b) => b.standalone) : [],
          itemStyle: { color: color('band'), borderColor: color('bar'), borderWidth: 1 },
        },
      ],
    },
    { notMerge: true },
  );
}

const label = (bar: Bar | undefined, total: number): string =>
  bar ? `${compact(bar.value)}  ${total > 0 ? percent(bar.value / total).padStart(5, '\u2007') : ''}`.trim() : '';

const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

function tip(bar: Bar | undefined, total: number, currency: string): string {
  if (!bar) return '';
  const lines = [
    `<b>${escaped(bar.name)}</b>`,
    `${bar.value < 0 ? 'Takes off' : 'Adds'} ${money(Math.abs(bar.value))} ${escaped(currency)}${total > 0 ? `, ${percent(bar.value / total, 1)}` : ''}`,
    ...(bar.exposure === null ? [] : [`Exposure ${money(bar.exposure)}`]),
    ...(bar.standalone === null ? [] : [`Alone ${money(bar.standalone)}`]),
    ...(bar.incremental === null ? [] : [`Without it ${money(Math.abs(bar.incremental))} ${bar.incremental < 0 ? 'more' : 'less'}`]),
    ...(bar.marginal === null ? [] : [`Marginal ${decimal(bar.marginal, 4)} a unit of exposure`]),
  ];
  return lines.join('<br>');
}
