# SPDX-License-Identifier: GPL-2.0
"""What a guest does while it is forked: a search engine for source code.

It indexes the files in /text by word, then answers queries, a line each: its
number, in how many files the word is, and on which line first.  Words are asked
for as often as they are written.  Lines are short: each byte is an exit to the
VMM, which is not what is to be measured.
"""
import os
import posix

HITS = 40       # that a query looks at
EVERY = 50      # so few of all words of the text may be asked for
BLANKS = {code: " " for code in range(128) if not chr(code).isalnum()}


def words_of(line):
    """The words of a line."""
    return line.translate(BLANKS).split()


def index_files(names):
    """Where each word is: a list of file and line number; and some words."""
    index = {}
    some = []
    count = 0
    for name in names:
        with open("/text/" + name, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                for word in words_of(line):
                    index.setdefault(word, []).append((name, number))
                    count += 1
                    if count % EVERY == 0:
                        some.append(word)
    return index, some


def answer(index, word):
    """How many of its first hits' files there are, and its first line."""
    hits = index[word][:HITS]
    files = {name for name, _ in hits}
    return f"{len(files)} {min(number for _, number in hits)}"


def open_channel():
    """The second UART, where forkvm listens."""
    posix.mknod("/dev/ttyS1", 0o20600, os.makedev(4, 65))
    return open("/dev/ttyS1", "w", encoding="utf-8", buffering=256)


def main():
    """Index, then answer for ever."""
    channel = open_channel()
    index, words = index_files(sorted(os.listdir("/text")))
    print("ready", len(index), file=channel, flush=True)
    drawn = 1
    number = 0
    while True:
        number += 1
        drawn = (drawn * 1103515245 + 12345) % 2147483648
        word = words[drawn % len(words)]
        print(number, answer(index, word), file=channel, flush=True)


main()
