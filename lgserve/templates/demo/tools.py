"""The demo agent's tools: two that answer at once, and one that asks a person first."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable

from langchain_core.tools import BaseTool, tool
from langgraph.types import interrupt

_OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_SKIES = ("sunny", "cloudy", "rainy", "windy", "foggy")
_YES = {"yes", "y", "ok", "approve", "approved", "true"}


@tool
def calculator(expression: str) -> str:
    """Work out an expression of numbers, + - * / % and brackets."""
    try:
        value = f"{_evaluate(ast.parse(expression.strip(), mode='eval').body):.15g}"
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError) as error:
        return f"I cannot work out {expression}: {error}."
    return f"{expression} = {value}."


def _evaluate(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.BinOp() if type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](_evaluate(node.left), _evaluate(node.right))
        case ast.UnaryOp() if type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](_evaluate(node.operand))
    raise ValueError("only numbers, + - * / % and brackets are allowed")


@tool
def weather(city: str) -> str:
    """Tell the weather of a city (made up, but always the same for a city)."""
    seed = sum(map(ord, city.lower()))
    return f"It is {seed % 30} °C and {_SKIES[seed % len(_SKIES)]} in {city}."


@tool
def refund(order_id: str) -> str:
    """Pay an order back, once a person has approved it."""
    decision = interrupt(
        {
            "action": "refund",
            "order_id": order_id,
            "question": f"Refund order {order_id}?",
            "answers": ["approve", "reject"],
        }
    )
    if approves(decision):
        return f"Order {order_id} was refunded."
    return f"Order {order_id} was not refunded: you did not approve it."


def approves(decision: object) -> bool:
    """Tell whether the answer to an interrupt is a yes: true, "approve", {"approved": true}."""
    if isinstance(decision, dict):
        decision = decision.get("approved", False)
    return decision is True or (isinstance(decision, str) and decision.strip().lower() in _YES)


TOOLS: list[BaseTool] = [calculator, weather, refund]
