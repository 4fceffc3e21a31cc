"""Classes and errors that a cell defined, from a snapshot in another process."""

from cryocase import CryoCase


class Classes(CryoCase):
    def check(self, code, asked, expected, skipped=()):
        """What is asked is the same before the store and after the reload elsewhere, twice."""
        self.run_cell(code)
        self.assertEqual(expected, self.run_cell(asked))
        for left_out in (list(skipped), []):
            self.assertEqual(left_out, [one["name"] for one in self.store()["skipped"]])
            self.again()
            self.assertEqual([], self.reload()["failed"])
            self.assertEqual(expected, self.run_cell(asked))

    def test_one_that_holds_its_own_instances(self):
        self.check("import dataclasses, typing\n"
                   "class Single:\n    one = None\n    def me(self): return type(self).one\n"
                   "Single.one = Single(); single = Single.one\n"
                   "@dataclasses.dataclass(slots=True)\nclass Vector:\n    x: float = 0\n"
                   "Vector.ZERO = Vector(); vector = Vector(2)\n"
                   "class Slotted:\n    __slots__ = ('a', '__b')\n    def __init__(self): self.a = self.__b = 4\n"
                   "    def b(self): return self.__b\n"
                   "Slotted.all = [Slotted()]; slotted = Slotted()\n"
                   "T = typing.TypeVar('T')\nclass Box(typing.Generic[T]): pass\nBox.empty = Box[int]()",
                   "(single.me() is single, Vector.ZERO, vector, slotted.b(), Slotted.all[0].a, type(Box.empty) is Box, Box[int])",
                   "(True, Vector(x=0), Vector(x=2), 4, 4, True, __main__.Box[int])")

    def test_those_that_refer_to_each_other(self):
        self.check("import abc\n"
                   "class A: pass\nclass B(A): pass\nclass C(B): pass\n"
                   "A.c = C(); B.a = A(); C.all = {A: 1, B: 2, C: 3}\n"
                   "class Plugin(abc.ABC):\n    known = {}\n"
                   "    def __init_subclass__(cls, key, **more):\n"
                   "        super().__init_subclass__(**more); Plugin.known[key] = cls\n"
                   "    @abc.abstractmethod\n    def run(self): ...\n"
                   "class Print(Plugin, key='print'):\n    def run(self): return super().__init__() or 7\n"
                   "Plugin.register(int)",
                   "(type(A.c) is C, type(B.a) is A, C.all[B], C.__mro__[1:3] == (B, A), Plugin.known == {'print': Print},"
                   " Print().run(), isinstance(3, Plugin), sorted(Plugin.__abstractmethods__))",
                   "(True, True, 2, True, True, 7, True, ['run'])")

    def test_those_of_a_metaclass(self):
        self.check("class Single(type):\n    made = {}\n    known = []\n"
                   "    def __new__(meta, name, bases, inside, unit='m'):\n"
                   "        return super().__new__(meta, name, bases, inside | {'unit': unit})\n"
                   "    def __init__(cls, *rest, **more): Single.known.append(cls)\n"
                   "    def __call__(cls, *rest):\n"
                   "        if cls not in Single.made: Single.made[cls] = super().__call__(*rest)\n"
                   "        return Single.made[cls]\n"
                   "class Length(metaclass=Single, unit='km'): pass\nlength = Length()",
                   "(Length() is length, Length.unit, Single.known == [Length], type(Length) is Single)",
                   "(True, 'km', True, True)")

    def test_named_tuples_with_more_than_fields(self):
        self.check("import collections, typing\n"
                   "class Point(typing.NamedTuple):\n    'A place'\n    x: int\n    y: int = 2\n"
                   "    def norm(self): return self.x * self.y\n"
                   "    @classmethod\n    def zero(cls): return cls(0)\n"
                   "    def __repr__(self): return 'mine'\n"
                   "Point.ORIGIN = Point.zero(); point = Point(3)\n"
                   "Plain = collections.namedtuple('Plain', 'a b', defaults=[5]); Plain.a.__doc__ = 'the first'\nplain = Plain(1)\n"
                   "class More(Plain):\n    __slots__ = ()\n    def sum(self): return self.a + self.b",
                   "(point.norm(), point, Point.ORIGIN.x, Point.__doc__, Point.__annotations__, type(point) is Point, plain,"
                   " Plain.a.__doc__, More(1).sum(), Plain._make([7, 8])._replace(a=9))",
                   "(6,\n mine,\n 0,\n 'A place',\n {'x': int, 'y': int},\n True,\n Plain(a=1, b=5),\n 'the first',\n 6,\n"
                   " Plain(a=9, b=8))")

    def test_errors_whose_making_wants_other_arguments(self):
        self.check("class Refused(Exception):\n"
                   "    def __init__(self, code, text, **more): super().__init__(text); self.code, self.more = code, more\n"
                   "class Lost(OSError):\n    def __init__(self, path): super().__init__(2, 'gone', path); self.of = path\n"
                   "try: raise Refused(4, 'no', why='so')\nexcept Refused as error: refused = error\n"
                   "refused.add_note('noted'); lost = Lost('/x')\n"
                   "several = ExceptionGroup('both', [refused, lost])",
                   "(refused.args, refused.code, refused.more, refused.__notes__, lost.errno, lost.filename, lost.of, several.exceptions[1] is lost)",
                   "(('no',), 4, {'why': 'so'}, ['noted'], 2, '/x', '/x', True)")

    def test_modules_come_back_by_their_name(self):
        self.check("import json.decoder as decoder, types\nmade = types.ModuleType('made'); made.x = 1\n"
                   "import tomllib; tomllib.of_the_process = 1",
                   "decoder.__name__, tomllib.__name__", "('json.decoder', 'tomllib')", skipped=["made"])
        self.assertEqual("False", self.run_cell("hasattr(tomllib, 'of_the_process')"))

    def test_one_that_does_not_come_back_takes_no_other_with_it(self):
        # What is about calling `super()` or closing over a name is not shared.
        self.run_cell("class Base:\n    def __init__(self): super().__init__()\n"
                      "class Broken(Base):\n    def __init__(self): super().__init__()\n"
                      "    def __getstate__(self): return 1\n    def __setstate__(self, state): raise ValueError('none')\n"
                      "def counter():\n    n = 0\n    def count():\n        nonlocal n\n        n += 1\n        return n\n    return count\n"
                      "class Other:\n    def __init__(self): super().__init__()\n"
                      "count, broken, other = counter(), Broken(), Other()")
        self.store()
        self.again()
        restored = self.reload()
        self.assertEqual([{"name": "broken", "reason": "ValueError: none"}], restored["failed"])
        self.assertLessEqual({"Broken", "Base", "count", "counter", "other", "Other"}, set(restored["restored"]))
