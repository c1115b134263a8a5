// The integer kernels and their packing against a triple loop, from buffers that end at inaccessible pages.
#include <algorithm>
#include <random>

#include "support/guard_buffer.h"
#include "support/kernel_cases.h"

namespace a8w8::test {
namespace {

// What the operands hold. Extremes of either sign catch instructions that saturate.
struct Fill {
  const char* name;
  int a, b;  // constants; kAny is random, kEither is one of -128, 127
};
constexpr int kAny = 1000, kEither = 1001;
constexpr Fill kFills[] = {{"random", kAny, kAny},    {"extremes", kEither, kEither}, {"-128 x -128", -128, -128},
                           {"-128 x 127", -128, 127}, {"127 x -128", 127, -128},      {"127 x 127", 127, 127},
                           {"0 x random", 0, kAny}};

int8_t draw(int what, std::mt19937& random) {
  if (what == kAny) return static_cast<int8_t>(random());
  if (what == kEither) return random() % 2 ? int8_t{-128} : int8_t{127};
  return static_cast<int8_t>(what);
}

// lines x k elements, line i, depth p at data()[i * line_stride + p * k_stride].
struct Operand {
  int64_t line_stride, k_stride;
  GuardBuffer<int8_t> data;

  Operand(int64_t lines, int64_t k, int64_t line_stride, int64_t k_stride, int what, std::mt19937& random)
      : line_stride(line_stride), k_stride(k_stride), data((lines - 1) * line_stride + (k - 1) * k_stride + 1) {
    for (int8_t& x : data) x = draw(what, random);
  }
  int32_t at(int64_t line, int64_t p) const { return data[line * line_stride + p * k_stride]; }
};

enum class Layout { kAlongK, kAlongLines, kScattered };

Operand make_operand(Layout layout, int64_t lines, int64_t k, int what, std::mt19937& random) {
  const int64_t pad = random() % 5;
  switch (layout) {
    case Layout::kAlongK:
      return Operand(lines, k, k + pad, 1, what, random);
    case Layout::kAlongLines:
      return Operand(lines, k, 1, lines + pad, what, random);
    default:
      return Operand(lines, k, 2 + pad, (2 + pad) * lines + 3, what, random);
  }
}

uint32_t reference(const Operand& a, const Operand& b, int64_t i, int64_t j, int64_t begin, int64_t end) {
  uint32_t sum = 0;
  for (int64_t p = begin; p < end; ++p) sum += static_cast<uint32_t>(a.at(i, p) * b.at(j, p));
  return sum;
}

int64_t round_up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }

class GemmKernelTest : public KernelTest<GemmKernel> {
 protected:
  // Packs, multiplies and compares. k is cut at `cut` (a multiple of kr, or 0 for no cut): the second part is added to
  // the first.
  void check(int64_t rows, int64_t cols, int64_t k, Layout a_layout, Layout b_layout, const Fill& fill,
             int64_t cut = 0) {
    SCOPED_TRACE(testing::Message() << rows << " x " << cols << " x " << k << " cut at " << cut << ", " << fill.name
                                    << ", layouts " << static_cast<int>(a_layout) << static_cast<int>(b_layout));
    const GemmKernel& g = kernel();
    const Operand a = make_operand(a_layout, rows, k, fill.a, random_);
    const Operand b = make_operand(b_layout, cols, k, fill.b, random_);
    GuardBuffer<uint8_t> a_panel(rows * round_up(k, g.kr) * g.a_bytes);
    GuardBuffer<uint8_t> b_panel(g.nr * round_up(k, g.kr) * g.b_bytes);
    GuardBuffer<int32_t> row_init(rows);
    g.pack_a(a.data.data(), a.line_stride, a.k_stride, rows, k, a_panel.data(), row_init.data());
    g.pack_b(b.data.data(), b.k_stride, b.line_stride, k, cols, b_panel.data());

    const int64_t ldc = g.nr + static_cast<int64_t>(random_() % 4);
    GuardBuffer<int32_t> c((rows - 1) * ldc + g.nr);
    std::fill(c.begin(), c.end(), kUntouched);
    const int64_t stride = round_up(k, g.kr) * g.a_bytes, a_cut = cut * g.a_bytes * (g.row_init ? 1 : rows);
    if (cut) g.run(rows, cut, a_panel.data(), stride, b_panel.data(), row_init.data(), c.data(), ldc);
    g.run(rows, k - cut, a_panel.data() + a_cut, stride, b_panel.data() + cut * g.nr * g.b_bytes,
          cut ? nullptr : row_init.data(), c.data(), ldc);

    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < cols; ++j) {
        ASSERT_EQ(static_cast<uint32_t>(c[i * ldc + j]), reference(a, b, i, j, 0, k))
            << "row " << i << ", column " << j;
      }
      for (int64_t j = g.nr; i + 1 < rows && j < ldc; ++j) ASSERT_EQ(c[i * ldc + j], kUntouched) << "outside the tile";
    }
    EXPECT_TRUE(a_panel.front_is_intact() && b_panel.front_is_intact() && row_init.front_is_intact() &&
                c.front_is_intact());
    if (g.row_init && a.k_stride == 1 && cut == 0) check_in_place(a, b, rows, cols, k, b_panel.data());
  }

  // Rows where they lie, up to the last byte before the guard.
  void check_in_place(const Operand& a, const Operand& b, int64_t rows, int64_t cols, int64_t k, const void* b_panel) {
    const GemmKernel& g = kernel();
    GuardBuffer<int32_t> row_init(rows), c(rows * g.nr);
    g.row_init(a.data.data(), a.line_stride, rows, k, row_init.data());
    g.run(rows, k, a.data.data(), a.line_stride, b_panel, row_init.data(), c.data(), g.nr);
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < cols; ++j) {
        ASSERT_EQ(static_cast<uint32_t>(c[i * g.nr + j]), reference(a, b, i, j, 0, k))
            << "in place, row " << i << ", column " << j;
      }
    }
  }

  static constexpr int32_t kUntouched = 0x5a5a5a5a;
  std::mt19937 random_{20240229};
};

TEST_P(GemmKernelTest, AgreesOnEveryTailOfTheTile) {
  const GemmKernel& g = kernel();
  for (int64_t rows = 1; rows <= g.mr; ++rows) {
    for (int64_t cols : {1, 15, 16, 17, g.nr - 1, g.nr}) {
      if (cols > g.nr) continue;
      for (int64_t k : {1, g.kr, 3 * g.kr + 1, 67}) check(rows, cols, k, Layout::kAlongK, Layout::kAlongK, kFills[0]);
    }
  }
}

TEST_P(GemmKernelTest, AgreesOnEveryDepthAndLayout) {
  constexpr Layout kLayouts[] = {Layout::kAlongK, Layout::kAlongLines, Layout::kScattered};
  const GemmKernel& g = kernel();
  for (Layout a_layout : kLayouts) {
    for (Layout b_layout : kLayouts) {
      for (int64_t k = 1; k <= 35; ++k) check(g.mr, g.nr, k, a_layout, b_layout, kFills[0]);
      for (int64_t k : {63, 64, 65, 127, 128, 129, 200}) check(g.mr - 1, g.nr - 1, k, a_layout, b_layout, kFills[0]);
    }
  }
}

TEST_P(GemmKernelTest, DoesNotSaturate) {
  const GemmKernel& g = kernel();
  for (const Fill& fill : kFills) {
    for (int64_t k : {1, 2, 4, 5, 64, 301}) check(g.mr, g.nr, k, Layout::kAlongK, Layout::kAlongK, fill);
  }
}

TEST_P(GemmKernelTest, TakesTheLargestDepthOfTheSpecification) {
  const GemmKernel& g = kernel();
  for (const Fill& fill : kFills) check(g.mr, 3, 65535, Layout::kAlongK, Layout::kAlongLines, fill);
}

// A kernel may cut k for itself.
TEST_P(GemmKernelTest, AgreesOnDeepPanels) {
  const GemmKernel& g = kernel();
  for (int64_t rows : {1, 2, g.mr - 1, g.mr}) check(rows, g.nr, 4999, Layout::kAlongK, Layout::kAlongK, kFills[0]);
}

TEST_P(GemmKernelTest, AddsBlocksOfK) {
  const GemmKernel& g = kernel();
  for (int64_t k : {2 * g.kr, 2 * g.kr + 1, 64, 131}) {
    check(g.mr, g.nr, k, Layout::kAlongK, Layout::kAlongK, kFills[0], g.kr);
    check(g.mr, g.nr, k, Layout::kAlongK, Layout::kAlongK, kFills[2], (k - 1) / g.kr * g.kr);
  }
}

TEST_P(GemmKernelTest, WrapsAroundModulo2To32) {
  const GemmKernel& g = kernel();
  const int64_t k = round_up(10, g.kr);
  const Operand a = make_operand(Layout::kAlongK, g.mr, k, 127, random_);
  const Operand b = make_operand(Layout::kAlongK, g.nr, k, 127, random_);
  GuardBuffer<uint8_t> a_panel(g.mr * k * g.a_bytes), b_panel(g.nr * k * g.b_bytes);
  GuardBuffer<int32_t> row_init(g.mr), c(g.mr * g.nr);
  g.pack_a(a.data.data(), a.line_stride, a.k_stride, g.mr, k, a_panel.data(), row_init.data());
  g.pack_b(b.data.data(), b.k_stride, b.line_stride, k, g.nr, b_panel.data());
  for (int64_t i = 0; i < g.mr; ++i)
    row_init[i] = static_cast<int32_t>(0x7fffffffu + static_cast<uint32_t>(row_init[i]));
  g.run(g.mr, k, a_panel.data(), k * g.a_bytes, b_panel.data(), row_init.data(), c.data(), g.nr);
  const uint32_t expected = 0x7fffffffu + static_cast<uint32_t>(k) * 127 * 127;
  for (int32_t x : c) ASSERT_EQ(static_cast<uint32_t>(x), expected);
}

// One row beside several panels gives what the panels give one after the other, up to the last byte before the guard.
TEST_P(GemmKernelTest, TakesPanelsSideBySide) {
  const GemmKernel& g = kernel();
  if (!g.row_beside) return;
  for (const Fill& fill : kFills) {
    for (int64_t k : {1, g.kr, 3 * g.kr + 1, 64, 301, 4999}) {
      SCOPED_TRACE(testing::Message() << "k = " << k << ", " << fill.name);
      const Operand a = make_operand(Layout::kAlongK, 1, k, fill.a, random_);
      const Operand b = make_operand(Layout::kAlongK, kBeside * g.nr, k, fill.b, random_);
      const int64_t panel_bytes = g.nr * round_up(k, g.kr) * g.b_bytes;
      GuardBuffer<uint8_t> a_panel(round_up(k, g.kr) * g.a_bytes), b_panels(kBeside * panel_bytes);
      GuardBuffer<int32_t> row_init(1), c(kBeside * g.nr);
      g.pack_a(a.data.data(), a.line_stride, a.k_stride, 1, k, a_panel.data(), row_init.data());
      for (int64_t p = 0; p < kBeside; ++p) {
        g.pack_b(b.data.data() + p * g.nr * b.line_stride, b.k_stride, b.line_stride, k, g.nr,
                 b_panels.data() + p * panel_bytes);
      }
      g.row_beside(k, a_panel.data(), b_panels.data(), panel_bytes, row_init.data(), c.data());
      for (int64_t j = 0; j < kBeside * g.nr; ++j) {
        ASSERT_EQ(static_cast<uint32_t>(c[j]), reference(a, b, 0, j, 0, k)) << "column " << j;
      }
      EXPECT_TRUE(a_panel.front_is_intact() && row_init.front_is_intact() && c.front_is_intact());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, GemmKernelTest, testing::ValuesIn(kernel_cases(&IsaTable::gemm)), KernelName());

class DotKernelTest : public KernelTest<DotKernel> {
 protected:
  void check(int64_t m, int64_t n, int64_t k, const Fill& fill, Layout a_layout = Layout::kAlongK) {
    SCOPED_TRACE(testing::Message() << m << " x " << n << " x " << k << ", " << fill.name);
    const DotKernel& d = kernel();
    const Operand a = make_operand(a_layout, m, k, fill.a, random_);
    const Operand b = make_operand(Layout::kAlongK, n, k, fill.b, random_);
    GuardBuffer<uint8_t> a_panel(m * round_up(k, d.kr) * d.a_bytes);
    GuardBuffer<int32_t> row_init(m);
    d.pack_a(a.data.data(), a.line_stride, a.k_stride, m, k, a_panel.data(), row_init.data());
    const int64_t ldc = n + static_cast<int64_t>(random_() % 3);
    GuardBuffer<int32_t> c((m - 1) * ldc + n);
    std::fill(c.begin(), c.end(), kUntouched);
    d.run(m, n, k, a_panel.data(), row_init.data(), b.data.data(), b.line_stride, c.data(), ldc);
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        ASSERT_EQ(static_cast<uint32_t>(c[i * ldc + j]), reference(a, b, i, j, 0, k))
            << "row " << i << ", column " << j;
      }
      for (int64_t j = n; i + 1 < m && j < ldc; ++j) ASSERT_EQ(c[i * ldc + j], kUntouched) << "outside the result";
    }
    EXPECT_TRUE(c.front_is_intact() && a_panel.front_is_intact() && row_init.front_is_intact());
  }

  // Small m, one by one, then some larger ones up to max_m.
  std::vector<int64_t> row_counts() {
    std::vector<int64_t> counts;
    for (int64_t m = 1; m <= std::min(kernel().max_m, 17); ++m) counts.push_back(m);
    for (int64_t m : {23, 32, 33, 49, kernel().max_m}) {
      if (m <= kernel().max_m) counts.push_back(m);
    }
    return counts;
  }

  static constexpr int32_t kUntouched = 0x5a5a5a5a;
  std::mt19937 random_{20240229};
};

TEST_P(DotKernelTest, AgreesOnEveryTail) {
  for (int64_t m : row_counts()) {
    for (int64_t n = 1; n <= 9; ++n) {
      for (int64_t k : {1, 2, 15, 16, 17, 33, 63, 64, 65, 129, 200}) check(m, n, k, kFills[0]);
    }
  }
}

TEST_P(DotKernelTest, AgreesOnWideResults) {
  for (int64_t n : {15, 16, 17, 31, 32, 33, 70}) {
    for (int64_t k : {3, 64, 130}) check(std::min(kernel().max_m, 5), n, k, kFills[0]);
  }
}

// More of b than a kernel would keep in L2 for its next rows of a.
TEST_P(DotKernelTest, AgreesOnLargeWeights) { check(std::min(kernel().max_m, 40), 209, 4099, kFills[0]); }

TEST_P(DotKernelTest, AgreesOnEveryLayoutOfA) {
  for (Layout layout : {Layout::kAlongLines, Layout::kScattered}) {
    for (int64_t m : row_counts()) {
      for (int64_t k : {1, 17, 64, 130}) check(m, 5, k, kFills[0], layout);
    }
  }
}

TEST_P(DotKernelTest, DoesNotSaturate) {
  for (const Fill& fill : kFills) {
    for (int64_t m : row_counts()) {
      for (int64_t k : {1, 2, 64, 301}) check(m, 5, k, fill);
    }
  }
}

TEST_P(DotKernelTest, TakesTheLargestDepthOfTheSpecification) {
  for (const Fill& fill : kFills) check(std::min(kernel().max_m, 24), 5, 65535, fill);
}

INSTANTIATE_TEST_SUITE_P(All, DotKernelTest, testing::ValuesIn(kernel_cases(&IsaTable::dot)), KernelName());

class DotInt4KernelTest : public KernelTest<DotKernel> {
 protected:
  // int4 values of b as int8, and the same two a byte.
  void check(int64_t m, int64_t n, int64_t k, int a_fill) {
    SCOPED_TRACE(testing::Message() << m << " x " << n << " x " << k);
    const DotKernel& d = kernel();
    const Operand a = make_operand(m % 3 ? Layout::kAlongK : Layout::kScattered, m, k, a_fill, random_);
    Operand b = make_operand(Layout::kAlongK, n, k, kAny, random_);
    const int64_t ldb = k / 2 + static_cast<int64_t>(random_() % 3);
    GuardBuffer<uint8_t> halves((n - 1) * ldb + k / 2);
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t p = 0; p < k; p += 2) {
        const uint8_t byte = static_cast<uint8_t>(random_());
        halves[j * ldb + p / 2] = byte;
        b.data[j * b.line_stride + p] = static_cast<int8_t>(((byte & 15) ^ 8) - 8);
        b.data[j * b.line_stride + p + 1] = static_cast<int8_t>(((byte >> 4) ^ 8) - 8);
      }
    }
    GuardBuffer<uint8_t> a_panel(m * round_up(k, d.kr) * d.a_bytes);
    GuardBuffer<int32_t> row_init(m), c(m * n);
    d.pack_a(a.data.data(), a.line_stride, a.k_stride, m, k, a_panel.data(), row_init.data());
    d.run(m, n, k, a_panel.data(), row_init.data(), reinterpret_cast<const int8_t*>(halves.data()), ldb, c.data(), n);
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        ASSERT_EQ(static_cast<uint32_t>(c[i * n + j]), reference(a, b, i, j, 0, k)) << "row " << i << ", column " << j;
      }
    }
  }
  std::mt19937 random_{20240229};
};

TEST_P(DotInt4KernelTest, Agrees) {
  for (int64_t m : {1, 2, 3, 4, 5, 7, 8, 9, 17}) {
    for (int64_t n : {1, 3, 4, 7, 8, 9, 33}) {
      for (int64_t k : {8, 16, 56, 64, 120, 128, 136, 256, 264}) check(m, n, k, kAny);
    }
  }
  check(kernel().max_m, 5, 200, kAny);
}

TEST_P(DotInt4KernelTest, TakesTheLargestDepthAndExtremes) {
  for (int fill : {-128, 127, kEither}) check(3, 5, 65528, fill);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DotInt4KernelTest);  // not every build has one
INSTANTIATE_TEST_SUITE_P(All, DotInt4KernelTest, testing::ValuesIn(kernel_cases(&IsaTable::dot_int4)), KernelName());

}  // namespace
}  // namespace a8w8::test
