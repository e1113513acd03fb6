#!/usr/bin/python3
"""Folds `perf script -F comm,pid,ip,sym` from standard input into one flame graph and one list for each program.

    flame.py FOLDER

Standard library only.
"""

import collections
import html
import pathlib
import re
import sys

WIDTH, ROW, LEAST = 1200, 17, 0.4  # pixels; narrower frames are left out
FRAME = re.compile(r'^\s+([0-9a-f]+) (.*)$')


def short(symbol, address):
    symbol = re.sub(r'\+0x[0-9a-f]+$', '', symbol.strip())
    if symbol in ('[unknown]', ''):
        return f'?{int(address, 16) & 0xfffff:05x}'
    # Template arguments and parameters tell little and take all the room.
    for _ in range(12):
        symbol, changed = re.subn(r'<[^<>]*>', '', symbol)
        if not changed:
            break
    return re.sub(r'\([^()]*\)( const)?', '', symbol)


def stacks(lines):
    """(program, [outermost … innermost]) of each sample."""
    program, frames = None, []
    for line in lines:
        line = line.rstrip('\n')
        found = FRAME.match(line)
        if found and program:
            frames.append(short(found.group(2), found.group(1)))
        elif line.strip():
            program, frames = line.split()[0], []
        elif program:
            yield program, frames[::-1]
            program = None
    if program:
        yield program, frames[::-1]


class Node:
    def __init__(self):
        self.total, self.own, self.children = 0, 0, {}

    def add(self, frames):
        node = self
        node.total += 1
        for frame in frames:
            node = node.children.setdefault(frame, Node())
            node.total += 1
        node.own += 1

    def depth(self):
        return 1 + max((c.depth() for c in self.children.values()), default=0)


def colour(name):
    value = sum(ord(c) * (i + 7) for i, c in enumerate(name[:24]))
    return f'rgb({205 + value % 50},{90 + value * 7 % 110},{40 + value * 3 % 40})'


def draw(node, name, x, level, scale, height, all_samples, out):
    width = node.total * scale
    if width < LEAST:
        return
    y = height - (level + 1) * ROW
    share = 100 * node.total / all_samples
    title = html.escape(f'{name}: {share:.1f} %, {node.total} samples')
    out.append(f'<g><title>{title}</title><rect x="{x:.1f}" y="{y}" width="{max(width - 0.4, 0.4):.1f}" height="{ROW - 1}" '
               f'fill="{colour(name)}"/>')
    room = int(width / 6.4)
    if room > 3:
        shown = name if len(name) <= room else name[:room - 2] + '..'
        out.append(f'<text x="{x + 3:.1f}" y="{y + 12}">{html.escape(shown)}</text>')
    out.append('</g>')
    for child_name, child in sorted(node.children.items()):
        draw(child, child_name, x, level + 1, scale, height, all_samples, out)
        x += child.total * scale


def flame(program, root, path):
    height = (root.depth() + 2) * ROW
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
           '<style>text{font:11px monospace}rect:hover{stroke:#000}</style>',
           f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
           f'<text x="4" y="13">{html.escape(program)}: {root.total} samples; wider is more, point at a frame for its share</text>']
    draw(root, program, 0, 0, WIDTH / root.total, height, root.total, out)
    path.write_text('\n'.join(out + ['</svg>']) + '\n')


def listing(program, root, inside, path):
    """Own time, and time with everything called, by function."""
    own = collections.Counter()

    def walk(node):
        for name, child in node.children.items():
            own[name] += child.own
            walk(child)
    walk(root)
    lines = [f'{program}: {root.total} samples', '', '   own %   with callees %  function']
    for name, count in own.most_common(60):
        lines.append(f'{100 * count / root.total:8.1f} {100 * inside[name] / root.total:16.1f}  {name}')
    lines += ['', 'with callees, the largest:']
    for name, count in inside.most_common(60):
        lines.append(f'{100 * count / root.total:8.1f}  {name}')
    path.write_text('\n'.join(lines) + '\n')
    print('\n'.join(lines[:18]))


def main():
    folder = pathlib.Path(sys.argv[1])
    roots = collections.defaultdict(Node)
    inside = collections.defaultdict(collections.Counter)
    for program, frames in stacks(sys.stdin):
        roots[program].add(frames)
        inside[program].update(set(frames))
    for program, root in roots.items():
        if root.total < 50:
            continue
        safe = re.sub(r'\W+', '_', program)
        flame(program, root, folder / f'{safe}.svg')
        listing(program, root, inside[program], folder / f'{safe}.txt')
        print(f'wrote {folder}/{safe}.svg and .txt\n')


if __name__ == '__main__':
    main()
