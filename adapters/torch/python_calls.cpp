// Calls of ops from Python without PyTorch's general way in. That way matches every argument against every overload,
// asks the keywords for each parameter by name and boxes it through pybind11: 8 to 13 us for npu_quant_matmul with its
// thirteen parameters, where the product 1 x 64 x 64 takes less than one. Here a call that is plain in every respect --
// CPU tensors that are no subclass, no mode or transformation in force -- goes straight to the dispatcher. Every other
// call, and every one that fails, is made (again) PyTorch's way, so what it means and how it errs is PyTorch's
// business.
//
// [python-abi] One binary for every Python: Python's limited API only, and of libtorch_python, whose headers need the
// whole API, the declarations below. Its layouts are PyTorch's of the release that the op library is bound to anyway.
#define Py_LIMITED_API 0x030A0000
#include <Python.h>
// Python.h comes first.
#include <ATen/PythonTorchFunctionTLS.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct THPVariable {
  PyObject_HEAD at::Tensor cdata;
};
struct THPDtype {
  PyObject_HEAD at::ScalarType scalar_type;
};
extern PyObject* THPVariableClass;
extern PyObject* ParameterClass;
extern PyTypeObject THPDtypeType;
PyObject* THPVariable_Wrap(at::TensorBase&& var);

namespace a8w8::torch_adapter {
namespace {

constexpr size_t kMaxParameters = 16;

enum class Kind { kTensor, kInt, kFloat, kBool, kOther };  // kOther: only its default is taken here

struct Parameter {
  PyObject* name;  // interned, so keywords are compared by address
  Kind kind;
  bool optional;
  bool keyword_only;
  std::optional<c10::IValue> default_value;
};

struct Op {
  c10::OperatorHandle handle;
  std::vector<Parameter> parameters;
  PyObject* general;  // PyTorch's own way to call it
};

Kind kind_of(const c10::Type& type) {
  switch (type.kind()) {
    case c10::TypeKind::TensorType:
      return Kind::kTensor;
    case c10::TypeKind::IntType:
      return Kind::kInt;
    case c10::TypeKind::FloatType:
      return Kind::kFloat;
    case c10::TypeKind::BoolType:
      return Kind::kBool;
    default:
      return Kind::kOther;
  }
}

Parameter parameter_of(const c10::Argument& argument) {
  const auto optional = argument.type()->cast<c10::OptionalType>();
  return {PyUnicode_InternFromString(argument.name().c_str()),
          kind_of(optional ? *optional->getElementType() : *argument.type()), optional != nullptr,
          argument.kwarg_only(), argument.default_value()};
}

// Nothing above the CPU kernel but Autograd: no mode, no transformation, no tracing in this thread.
bool plain_thread() {
  return !at::impl::torch_function_mode_enabled() && !at::impl::PythonTorchFunctionTLS::peek_skip_next() &&
         c10::default_included_set.has_all(c10::impl::tls_local_dispatch_key_set().included_);
}

// A tensor in memory, and neither of a subclass nor wrapped by a transformation.
const at::Tensor* plain_tensor(PyObject* object) {
  constexpr c10::DispatchKeySet kPlain({c10::DispatchKey::CPU, c10::DispatchKey::AutogradCPU,
                                        c10::DispatchKey::ADInplaceOrView, c10::DispatchKey::AutocastCPU});
  PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(object));
  if (type != THPVariableClass && type != ParameterClass) return nullptr;
  const at::Tensor& tensor = reinterpret_cast<THPVariable*>(object)->cdata;
  return tensor.defined() && kPlain.has_all(tensor.key_set()) ? &tensor : nullptr;
}

// A dtype passes for its number, as in PyTorch.
bool read_int(PyObject* object, c10::IValue& value) {
  if (Py_TYPE(object) == &THPDtypeType) {
    value = static_cast<int64_t>(reinterpret_cast<THPDtype*>(object)->scalar_type);
    return true;
  }
  if (Py_TYPE(object) != &PyLong_Type) return false;
  int overflow = 0;
  value = static_cast<int64_t>(PyLong_AsLongLongAndOverflow(object, &overflow));
  return overflow == 0;
}

// False: this argument is for PyTorch to look at.
bool read(PyObject* object, const Parameter& parameter, c10::IValue& value, bool& needs_gradient) {
  if (object == Py_None && parameter.optional) return true;
  switch (parameter.kind) {
    case Kind::kTensor: {
      const at::Tensor* tensor = plain_tensor(object);
      if (!tensor) return false;
      needs_gradient |= tensor->requires_grad();
      value = *tensor;
      return true;
    }
    case Kind::kInt:
      return read_int(object, value);
    case Kind::kFloat:
      if (Py_TYPE(object) != &PyFloat_Type) return false;
      value = PyFloat_AsDouble(object);
      return true;
    case Kind::kBool:
      if (object != Py_True && object != Py_False) return false;
      value = object == Py_True;
      return true;
    case Kind::kOther:
      return false;
  }
  return false;
}

// The call's arguments in the order of the parameters, null where none is given. False: PyTorch has to say what is
// wrong.
bool assign(const Op& op, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords,
            std::array<PyObject*, kMaxParameters>& given) {
  const size_t parameters = op.parameters.size();
  if (positional > static_cast<Py_ssize_t>(parameters)) return false;
  for (Py_ssize_t i = 0; i < positional; ++i) {
    if (op.parameters[i].keyword_only) return false;
    given[i] = arguments[i];
  }
  const Py_ssize_t named = keywords ? PyTuple_Size(keywords) : 0;
  for (Py_ssize_t i = 0; i < named; ++i) {
    const PyObject* name = PyTuple_GetItem(keywords, i);
    const auto found = std::find_if(op.parameters.begin(), op.parameters.end(),
                                    [&](const Parameter& parameter) { return parameter.name == name; });
    const size_t index = found - op.parameters.begin();
    if (index == parameters || given[index]) return false;
    given[index] = arguments[positional + i];
  }
  return true;
}

bool fill_stack(const Op& op, const std::array<PyObject*, kMaxParameters>& given, torch::jit::Stack& stack,
                bool& needs_gradient) {
  stack.reserve(op.parameters.size());
  for (size_t i = 0; i < op.parameters.size(); ++i) {
    const Parameter& parameter = op.parameters[i];
    if (given[i]) {
      if (!read(given[i], parameter, stack.emplace_back(), needs_gradient)) return false;
    } else {
      if (!parameter.default_value) return false;
      stack.push_back(*parameter.default_value);
    }
  }
  return true;
}

// Without the interpreter's lock. False: it failed.
bool run(const Op& op, torch::jit::Stack& stack, bool needs_gradient) {
  PyThreadState* thread = PyEval_SaveThread();
  bool done = true;
  try {
    // Where no gradient is asked for, Autograd has nothing to add.
    std::optional<at::AutoDispatchBelowAutograd> below_autograd;
    if (!needs_gradient || !at::GradMode::is_enabled()) below_autograd.emplace();
    op.handle.callBoxed(stack);
  } catch (...) {
    done = false;
  }
  PyEval_RestoreThread(thread);
  return done;
}

// One tensor, or a tuple of tensors: the ops that are called here return nothing else (see make_call).
PyObject* to_python(torch::jit::Stack& stack) {
  if (stack.size() == 1) return THPVariable_Wrap(std::move(stack[0]).toTensor());
  PyObject* tuple = PyTuple_New(static_cast<Py_ssize_t>(stack.size()));
  for (size_t i = 0; tuple && i < stack.size(); ++i) {
    PyTuple_SetItem(tuple, static_cast<Py_ssize_t>(i), THPVariable_Wrap(std::move(stack[i]).toTensor()));
  }
  return tuple;
}

PyObject* call_generally(const Op& op, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  PyObject* tuple = PyTuple_New(positional);
  PyObject* dict = PyDict_New();
  PyObject* result = nullptr;
  if (tuple && dict) {
    for (Py_ssize_t i = 0; i < positional; ++i) {
      Py_INCREF(arguments[i]);
      PyTuple_SetItem(tuple, i, arguments[i]);
    }
    const Py_ssize_t named = keywords ? PyTuple_Size(keywords) : 0;
    bool complete = true;
    for (Py_ssize_t i = 0; i < named; ++i) {
      complete &= PyDict_SetItem(dict, PyTuple_GetItem(keywords, i), arguments[positional + i]) == 0;
    }
    if (complete) result = PyObject_Call(op.general, tuple, dict);
  }
  Py_XDECREF(tuple);
  Py_XDECREF(dict);
  return result;
}

constexpr const char* kCapsule = "a8w8._calls.Op";

PyObject* call(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  const Op& op = *static_cast<const Op*>(PyCapsule_GetPointer(self, kCapsule));
  std::array<PyObject*, kMaxParameters> given{};
  torch::jit::Stack stack;
  bool needs_gradient = false;
  if (plain_thread() && assign(op, arguments, positional, keywords, given) &&
      fill_stack(op, given, stack, needs_gradient) && run(op, stack, needs_gradient)) {
    return to_python(stack);
  }
  stack.clear();
  return call_generally(op, arguments, positional, keywords);
}

PyMethodDef call_method = {"call", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(call)),
                           METH_FASTCALL | METH_KEYWORDS, nullptr};

bool returns_tensors(const c10::FunctionSchema& schema) {
  return !schema.returns().empty() && std::all_of(schema.returns().begin(), schema.returns().end(), [](const auto& r) {
    return r.type()->kind() == c10::TypeKind::TensorType;
  });
}

// make_call(name, general): a function that calls the op `name` as `general` does, or None if it is an op that cannot
// be called this way. Ops and what they are made of live as long as the process.
PyObject* make_call(PyObject*, PyObject* arguments) {
  const char* name = nullptr;
  PyObject* general = nullptr;
  if (!PyArg_ParseTuple(arguments, "sO", &name, &general)) return nullptr;
  const auto handle = c10::Dispatcher::singleton().findSchema({name, ""});
  if (!handle || handle->schema().arguments().size() > kMaxParameters || !returns_tensors(handle->schema())) {
    Py_RETURN_NONE;
  }
  auto op = std::make_unique<Op>(Op{*handle, {}, general});
  for (const c10::Argument& argument : handle->schema().arguments()) op->parameters.push_back(parameter_of(argument));
  Py_INCREF(general);
  PyObject* capsule = PyCapsule_New(op.release(), kCapsule, nullptr);
  return capsule ? PyCFunction_NewEx(&call_method, capsule, nullptr) : nullptr;
}

PyMethodDef methods[] = {{"make_call", make_call, METH_VARARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
PyModuleDef module_def = {PyModuleDef_HEAD_INIT, "_calls", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace
}  // namespace a8w8::torch_adapter

PyMODINIT_FUNC PyInit__calls() { return PyModule_Create(&a8w8::torch_adapter::module_def); }
