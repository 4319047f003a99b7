"""Slurs and insults in English by whom they are aimed at; words that also have an ordinary meaning are left out.

They are written in ROT13 so that nobody has to read them who only reads the code.
"""

from codecs import decode

_TURNED = {
    "ethnicity": (
        "ornare ornaref puvanzna puvanzra qntb qntbf qnexvr qnexvrf tbbx tbbxf tlccb tlccbf vawha "
        "vawhaf wncf wvtnobb xnssve avttn avttnf avttnm avttre avttref cnxv cnxvf cvpxnavaal cvxrl cvxrlf "
        "cbynpx cbynpxf cbepuzbaxrl enturnq enturnqf fnaqavttre fcvp fcvpf fdhnj fdhnjf gbjryurnq gbjryurnqf "
        "jrgonpx jrgonpxf jbt jbtf mvccreurnq"
    ),
    "religion": (
        "puevfgxvyyre puevfgxvyyref urro urrof wrjobl wrjoblf xvxr xvxrf zhqfyvzr zhqfyvzrf zhmmvr zhmmvrf lvq lvqf"
    ),
    "gender": (
        "ovzob ovzobf ovgpu ovgpurf phag phagf srzvanmv srzvanmvf fxnax fxnaxf fyhg fyhgf fyhggl gubgf juber juberf"
    ),
    "sexuality": (
        "snttbg snttbgf snttl yrfob yrfobf cbbsgre cbbsgref furznyr furznyrf fbqbzvgr fbqbzvgrf genaavrf genaal"
    ),
    "disability": ("yvogneq yvogneqf zbatbybvq zbatbybvqf ergneq ergneqrq ergneqf fcnm fcnmm gneq gneqf"),
    "nobody in particular": (
        "nefrubyr nefrubyrf nffubyr nffubyrf onfgneq onfgneqf ohyyfuvg qvpxurnq qvpxurnqf qbhpuront "
        "qbhpurontf qhzonff shpx shpxrq shpxre shpxref shpxva shpxvat shpxf wnpxnff zbgureshpxre "
        "zbgureshpxref zbgureshpxvat fphzont fphzontf fuvg fuvgurnq fuvgf fuvggl gjng gjngf jnaxre jnaxref"
    ),
}

TERMS = {word: group for group, words in _TURNED.items() for word in decode(words, "rot13").split()}
GROUPS = tuple(_TURNED)
