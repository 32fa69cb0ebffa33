// @ts-check
import { Component, createRef, h } from './lib/preact.js'
import UPlot from './lib/uplot.js'

/**
 * Counts over time as bars. Each series is drawn before the one ahead of it, so that a sum comes first, its parts later.
 * @typedef {object} PlotProps
 * @property {number} from begin of the first step, in seconds since 1970
 * @property {number} step length of a step, in seconds
 * @property {readonly { values: readonly number[], tone: 'calm' | 'bad' }[]} series
 */

const HEIGHT = 80

/** The plot itself is for the eye: what it says stands beside it in words. @extends {Component<PlotProps>} */
export class Plot extends Component {
  /** @type {import('./lib/preact.js').RefObject<HTMLElement | null>} */
  place = createRef()
  /** @type {UPlot | undefined} */
  plot
  /** @type {ResizeObserver | undefined} */
  sizes
  scheme = matchMedia('(prefers-color-scheme: dark)')

  draw = () => {
    const place = this.place.current
    this.plot?.destroy()
    if (place === null) return
    this.plot = new UPlot(optionsOf(this.props, place), dataOf(this.props), place)
  }

  /** @override */
  componentDidMount() {
    this.draw()
    this.sizes = new ResizeObserver(([entry]) => {
      const width = entry?.contentRect.width ?? 0
      if (width > 0) this.plot?.setSize({ width, height: HEIGHT })
    })
    if (this.place.current) this.sizes.observe(this.place.current)
    this.scheme.addEventListener('change', this.draw)
  }

  /** @override */
  componentDidUpdate() {
    this.plot?.setData(dataOf(this.props))
  }

  /** @override */
  componentWillUnmount() {
    this.scheme.removeEventListener('change', this.draw)
    this.sizes?.disconnect()
    this.plot?.destroy()
  }

  /** @override */
  render() {
    return h('div', { ref: this.place, class: 'plot', 'aria-hidden': 'true' })
  }
}

/** @type {(props: PlotProps) => UPlot.AlignedData} */
function dataOf({ from, step, series }) {
  const steps = series[0]?.values.length ?? 0
  const times = Array.from({ length: steps }, (_, index) => from + (index + 0.5) * step)
  return [times, ...series.map(({ values }) => [...values])]
}

/** @type {(props: PlotProps, place: HTMLElement) => UPlot.Options} */
function optionsOf({ series, step }, place) {
  const style = getComputedStyle(place)
  const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim()
  const bars = UPlot.paths.bars?.({ size: [0.8, 100], gap: 0 })
  const axis = {
    stroke: colour('--quiet'),
    font: `11px ${style.fontFamily}`,
    ticks: { show: false },
    grid: { stroke: colour('--line'), width: 1 },
  }
  return {
    width: Math.max(place.clientWidth, 120),
    height: HEIGHT,
    padding: [8, 18, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { range: (_plot, min, max) => [min - step / 2, max + step / 2] },
      y: { range: (_plot, _min, max) => [0, Math.max(max, 4) * 1.05] },
    },
    axes: [
      {
        ...axis,
        size: 22,
        gap: 6,
        space: 60,
        grid: { show: false },
        values: (_plot, times) => times.map(timeOfDay),
      },
      { ...axis, size: 34, gap: 4, space: 20, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] },
    ],
    series: [
      {},
      ...series.map(({ tone }) => {
        const ink = colour(tone === 'bad' ? '--bad' : '--calm')
        return { stroke: ink, fill: ink, width: 0, points: { show: false }, ...(bars && { paths: bars }) }
      }),
    ],
  }
}

/** @param {number} seconds since 1970 */
function timeOfDay(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })
}
