#!/usr/bin/python3
"""Writes docs/performance.md and its plots from build/bench/*.json, the figures of a run of tests/bench/run.sh.

    report.py [--in build/bench] [--out docs]

Standard library only. The words on where the time goes are tests/bench/where_time_goes.md.
"""

import argparse
import datetime
import json
import pathlib
import sys

from plots import bar_plot, line_plot

HERE = pathlib.Path(__file__).resolve().parent

# Of the contract, and not to be measured yet.
NOT_BUILT = [
    ('ten-node chain, end to end', 'p50 10 ms', '4 ms'),
    ('ten-node chains per second', '1 000', '2 500'),
    ('two shards against one, same lane', '1.8 x', '1.95 x'),
]
# As in main.cpp.
ORDER = ['floor', 'connection', 'lifecycle', 'submit', 'drain', 'limits', 'start', 'delayed', 'suspend', 'stream',
         'memory', 'idle', 'backlog', 'partitions', 'aof', 'transport', 'routes', 'million']


def number(value):
    size = abs(value)
    if size == 0 or size >= 1000:
        return f'{value:,.0f}'.replace(',', ' ')
    if size >= 100:
        return f'{value:.0f}'
    return f'{value:.1f}' if size >= 10 else f'{value:.2f}'


class Run:
    """All scenarios of a run; figures by id."""

    def __init__(self, folder):
        self.scenarios = {}
        for path in sorted(folder.glob('*.json')):
            document = json.loads(path.read_text())
            self.scenarios[document['scenario']] = document
        if not self.scenarios:
            sys.exit(f'report.py: no JSON in {folder}: run tests/bench/run.sh first')
        self.figures = {f['id']: f for s in self.scenarios.values() for f in s['figures']}

    def any(self):
        return next(iter(self.scenarios.values()))

    def median(self, figure_id, x=0):
        figure = self.figures.get(figure_id)
        if not figure:
            return None
        return next((p['median'] for p in figure['points'] if p['x'] == x), None)

    def ordered(self):
        return [self.scenarios[name] for name in ORDER if name in self.scenarios]

    def left_out(self):
        return [name for name in ORDER if name not in self.scenarios]


def spread(point):
    return f"{number(min(point['values']))} .. {number(max(point['values']))}"


def verdict(figure, value):
    def meets(goal):
        return value <= goal if figure['better'] == 'lower' else value >= goal
    if figure['stretch'] is not None and meets(figure['stretch']):
        return 'stretch goal'
    return 'bar' if meets(figure['bar']) else '**missed**'


def contract(run):
    lines = ['| what | measured | spread | bar | stretch | |', '|---|---:|---:|---:|---:|---|']
    for scenario in run.ordered():
        above = ''
        for figure in scenario['figures']:
            text = figure['text']
            if text.startswith(' '):  # Of the figure above it.
                text = f'{above}: {text.strip()}'
            else:
                above = text.split(':')[0]
            if figure['bar'] is None:
                continue
            for point in figure['points']:
                value = point['median']
                unit = figure['unit']
                stretch = '' if figure['stretch'] is None else number(figure['stretch'])
                lines.append(f"| {text} | {number(value)} {unit} | {spread(point)} "
                             f"| {number(figure['bar'])} | {stretch} | {verdict(figure, value)} |")
    for what, bar, stretch in NOT_BUILT:
        lines.append(f'| {what} | not measured | | {bar} | {stretch} | |')
    return lines


def machine(run):
    any_scenario = run.any()
    m = any_scenario['machine']
    first = min(s['at'] for s in run.scenarios.values())
    runs = sorted({s['runs'] for s in run.scenarios.values()})
    runs = str(runs[0]) if len(runs) == 1 else f'{runs[0]} to {runs[-1]}'
    day = datetime.datetime.fromtimestamp(first, datetime.timezone.utc).strftime('%Y-%m-%d %H:%M UTC')
    notes = [n for n in run.scenarios.get('drain', {}).get('notes', []) if n.startswith('BullMQ') and ' on node ' in n]
    lines = [
        f"Measured {day} on {m['cores']} cores of {m['cpu']}, {m['memory_mb'] // 1024} GiB, {m['kernel']}; "
        f"{m['compiler']}, release build; Valkey {any_scenario['valkey']}"
        + (f"; {notes[0]}" if notes else '') + '. '
        + ('Valkey on core 0, everything else on core 1; ' if any_scenario['pinned'] else 'Not pinned to cores; ')
        + f"AOF {any_scenario['aof']} unless said; {runs} runs: the median, and the least and the most.",
    ]
    if run.left_out():
        lines += ['', f"Not in this run: {', '.join(run.left_out())}."]
    if any(s['quick'] for s in run.scenarios.values()):
        lines += ['', '**A quick run: it shows that all works, and is no measurement.**']
    return lines


def command_table(run):
    """What Valkey counted inside and around the functions, for one execution."""
    commands = run.scenarios.get('lifecycle', {}).get('commands', [])
    groups = ['lifecycle.record.1', 'lifecycle.record.64', 'lifecycle.lean.64']
    names = sorted({c['name'] for c in commands if c['group'] in groups})
    cell = {(c['group'], c['name']): c for c in commands}
    lines = ['| command | record, one at a time | record, batches of 64 | lean, batches of 64 |', '|---|---:|---:|---:|']

    def text(group, name):
        cost = cell.get((group, name))
        return f"{cost['calls']:.2f} calls, {cost['us']:.1f} us" if cost else ''
    # FCALL contains the others: it comes first.
    for name in sorted(names, key=lambda n: (n != 'fcall', -cell.get((groups[0], n), {'us': 0})['us'])):
        if any((g, name) in cell and cell[(g, name)]['us'] >= 0.05 for g in groups):
            lines.append(f'| `{name}` | ' + ' | '.join(text(g, name) for g in groups) + ' |')
    return lines


def steps_plot(run, folder):
    groups, series = [], {'submit': [], 'claim': [], 'complete': []}
    for mode in ('record', 'lean'):
        for way, words in (('1', 'one a call'), ('1_16', '16 in flight'), ('16', 'batch 16'), ('64', 'batch 64')):
            if run.median(f'lifecycle.{mode}.{way}.valkey_us') is None:
                continue
            groups.append(f'{mode}, {words}')
            for verb in series:
                series[verb].append(run.median(f'lifecycle.{mode}.{way}.{verb}_us'))
    bar_plot(folder / 'lifecycle.svg', 'Valkey CPU for each execution', 'us', groups, series, stacked=True)


def drain_plot(run, folder):
    shapes = [s for s in ('1x1', '1x16', '1x100', '4x25') if run.median(f'drain.record.{s}.rate')]
    series = {}
    for name, words in (('record', 'FlowFabric, record'), ('bullmq_keep', 'BullMQ, jobs kept'), ('lean', 'FlowFabric, lean'),
                        ('bullmq_remove', 'BullMQ, jobs removed')):
        values = [run.median(f'drain.{name}.{s}.rate') for s in shapes]
        if all(v is not None for v in values):
            series[words] = values
    bar_plot(folder / 'drain.svg', 'Drained, workers x concurrency', 'executions/s', shapes, series)


def curve(run, figure_id):
    figure = run.figures.get(figure_id)
    return [(p['x'], p['median'], min(p['values']), max(p['values'])) for p in figure['points']] if figure else []


def curve_plots(run, folder):
    line_plot(folder / 'backlog_rate.svg', 'Throughput on a backlog', 'executions queued', 'lifecycles/s',
              {'batches of 16': curve(run, 'backlog.rate'), 'submits only': curve(run, 'backlog.submit_rate')})
    line_plot(folder / 'backlog_claim.svg', 'Claim of one on a backlog', 'executions queued', 'ms',
              {'p50': curve(run, 'backlog.claim_p50'), 'p99': curve(run, 'backlog.claim_p99')})
    line_plot(folder / 'partitions.svg', 'Throughput by partitions', 'partitions', '/s',
              {'lifecycles in batches of 16': curve(run, 'partitions.rate'), 'drain 1x16': curve(run, 'partitions.drain_rate')})
    line_plot(folder / 'partitions_cpu.svg', 'Valkey CPU by partitions', 'partitions', 'us for each execution',
              {'lifecycles in batches of 16': curve(run, 'partitions.valkey_us'),
               'drain 1x16, without the submit': curve(run, 'partitions.drain_us')})


def all_figures(run):
    lines = []
    for scenario in run.ordered():
        lines += ['', f"### {scenario['scenario']}", '']
        lines += [f'{note[0].upper()}{note[1:]}.' for note in scenario['notes']]
        lines += ['', '| figure | median | least .. most |', '|---|---:|---:|']
        for figure in scenario['figures']:
            for point in figure['points']:
                text = figure['text'].strip()
                if figure['axis']:
                    text += f", {number(point['x'])} {figure['axis']}"
                lines.append(f"| {text} | {number(point['median'])} {figure['unit']} | {spread(point)} |")
        held = sum(1 for a in scenario['audits'] if a['held'])
        lines += ['', f"Audits: {held} of {len(scenario['audits'])} held."]
    return lines


def plots_in(folder, *names):
    """Those that this run has figures for."""
    return [f'![{alt}]({folder.name}/{name}.svg)' for name, alt in names if (folder / f'{name}.svg').exists()]


def document(run, plots):
    own_words = (HERE / 'where_time_goes.md').read_text().strip()
    lines = ['# Performance', '',
             'Generated by `tests/bench/report.py` from the JSON of a run; not edited by hand. `tests/bench/README.md` says how '
             'each figure is measured.', '']
    lines += machine(run)
    lines += ['', 'To repeat it: `tests/bench/run.sh` (everything), `tests/bench/run.sh --quick` (two minutes, shows that all '
              'works), `tests/bench/profile.sh` (flame graphs), `tests/bench/instructions.sh` (instruction counts).']
    lines += ['', '## The contract', ''] + contract(run)
    lines += ['', '## Where the time goes', '', own_words, ''] + plots_in(plots, ('lifecycle', 'Valkey CPU by step'))
    lines += ['', 'What Valkey counts for one execution (`INFO commandstats`; `fcall` contains the commands called inside):', '']
    lines += command_table(run)
    lines += ['', '## Against BullMQ', '', 'The same Valkey, payload, durability and cores, runs in turn.', '']
    lines += plots_in(plots, ('drain', 'Drain rates'))
    curves = plots_in(plots, ('backlog_rate', 'Throughput on a backlog'), ('backlog_claim', 'Claim latency on a backlog'),
                      ('partitions', 'Throughput by partitions'), ('partitions_cpu', 'Valkey CPU by partitions'))
    if curves:
        lines += ['', '## Backlog and partitions', ''] + curves
    lines += ['', '## All figures'] + all_figures(run)
    return '\n'.join(lines) + '\n'


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--in', dest='source', default='build/bench')
    parser.add_argument('--out', default='docs')
    words = parser.parse_args()
    run = Run(pathlib.Path(words.source))
    out = pathlib.Path(words.out)
    plots = out / 'performance'
    plots.mkdir(parents=True, exist_ok=True)
    for old in plots.glob('*.svg'):
        old.unlink()
    if 'lifecycle' in run.scenarios:
        steps_plot(run, plots)
    if 'drain' in run.scenarios:
        drain_plot(run, plots)
    curve_plots(run, plots)
    (out / 'performance.md').write_text(document(run, plots))
    print(f"wrote {out / 'performance.md'} and {len(list(plots.glob('*.svg')))} plots")


if __name__ == '__main__':
    main()
