"""What all parts of a random cluster share: the dice, and the names there are to choose from."""
import random

dice = random.Random()
namespaces = ["red", "green", "blue"]
apps = ["one", "two", "three"]
teams = ["x", "y"]
nodes = {"node-1": "east", "node-2": "west", "node-3": "east"}  # with their zones

choice, sample, between = dice.choice, dice.sample, dice.randint


def some(share):
    return dice.random() < share


def thing(kind, version, name, spec, namespace=None, **metadata):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **metadata}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **({"spec": spec} if spec is not None else {})}


def key(object):
    return object["metadata"]["namespace"] + "/" + object["metadata"]["name"]


def name_of(object):
    """As clients of every namespace may write it."""
    return object["metadata"]["name"] + "." + object["metadata"]["namespace"]
