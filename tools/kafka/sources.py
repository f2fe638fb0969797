"""Definitions of sources that are pushed to, made into ones that read topics of a broker."""


def read_topics(text, address, topics, options=""):
    """The definitions with a line `kafka:` in each of the sources: topics is {source: topic}. options are
    further keys, as ", on_gap: skip"."""
    for source, topic in topics.items():
        head = f"\n  {source}:\n"
        found = text.index(head, text.index("sources:")) + len(head)
        text = f'{text[:found]}    kafka: {{brokers: "{address}", topic: {topic}{options}}}\n{text[found:]}'
    return text
