from typing import final

@final
class ScopeMaker: ...
