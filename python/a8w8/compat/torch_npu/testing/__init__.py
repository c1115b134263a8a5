"""torch_npu.testing: what the vendor's test files import."""

from torch_npu.testing import common_utils, testcase

from a8w8.compat._refusal import refuse

__all__ = ["common_utils", "testcase"]
__getattr__ = refuse(__name__)
