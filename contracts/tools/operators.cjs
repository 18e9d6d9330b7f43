'use strict';
// What a mutant is: one place of one source, written differently. Places come from the compiler's syntax tree, so that
// every one of them is code.

/** Operators and what each becomes. */
const BINARY = {
  '<': ['<=', '>='],
  '<=': ['<'],
  '>': ['>=', '<='],
  '>=': ['>'],
  '==': ['!='],
  '!=': ['=='],
  '&&': ['||'],
  '||': ['&&'],
  '+': ['-'],
  '-': ['+'],
  '*': ['+'],
  '/': ['*'],
  '%': ['/'],
  '<<': ['>>'],
  '>>': ['<<'],
  '&': ['|'],
  '|': ['&'],
  '^': ['&'],
};
const ASSIGNED = { '+=': '-=', '-=': '+=', '|=': '&=', '&=': '|=', '*=': '+=' };
const YUL = { add: 'sub', sub: 'add', mul: 'add', lt: 'gt', gt: 'lt', and: 'or', or: 'and', shl: 'shr', shr: 'shl', mulmod: 'addmod', addmod: 'mulmod' };

const isGuard = (body) => {
  const only = body && (body.nodeType === 'Block' ? body.statements.length === 1 && body.statements[0] : body);
  return Boolean(only) && only.nodeType === 'RevertStatement';
};

/**
 * Every place of one source: `{at, length, by, what, inside}`, in bytes. `inside` is the expression or statement that a
 * switch can stand around, `{at, length, as}` and for a literal `cast`, the type it has where it stands; null where none can.
 */
function placesOf(ast, source) {
  const found = [];
  const range = (node) => node.src.split(':').map(Number);
  const text = (node) => {
    const [at, length] = range(node);
    return source.subarray(at, at + length).toString('utf8');
  };
  /** Ancestors of the node at hand, nearest last. */
  const above = [];
  const parent = (n = 1) => above[above.length - n] || {};
  /** The node as an expression, unless its value must be known to the compiler. */
  const expression = (node, cast) => {
    const type = node.typeDescriptions && node.typeDescriptions.typeString;
    const fixed = above.some((a) => a.nodeType === 'VariableDeclaration' && a.constant);
    if (fixed || !type || type === 'tuple()' || (/_const/.test(type) && node.nodeType !== 'Literal')) return null;
    const [at, length] = range(node);
    return { at, length, as: 'expression', cast };
  };
  /** A statement with its semicolon; in a loop's head there is none. */
  const statement = (node) => {
    const [at, length] = range(node);
    return source[at + length] === 59 ? { at, length: length + 1, as: 'statement' } : null;
  };
  const put = (node, by, what, inside = expression(node)) => {
    const [at, length] = range(node);
    found.push({ at, length, by, what, inside });
  };
  const drop = (node, what) => {
    const whole = statement(node);
    // An empty block, as a lone semicolon is no statement. A loop's head has its own mutants.
    if (whole) found.push({ at: whole.at, length: whole.length, by: '{}', what, inside: whole });
  };
  /** What the compiler takes a literal for, as far as the operator beside it says. */
  const literalType = (node) => {
    const up = parent();
    const shift = up.nodeType === 'BinaryOperation' && /^(<<|>>|\*\*)$/.test(up.operator);
    if (up.nodeType !== 'BinaryOperation' || (shift && up.leftExpression !== node)) return undefined;
    const common = up.commonType && up.commonType.typeString;
    return /^u?int\d+$/.test(common || '') ? common : undefined;
  };
  /** Whether the compiler itself works out what the literal stands in, or makes of it what is no number. */
  const folded = (node) => {
    const up = parent();
    const type = (up.typeDescriptions || {}).typeString || '';
    if (up.nodeType === 'BinaryOperation' && !literalType(node)) return !/^(<<|>>)$/.test(up.operator);
    return /_const/.test(type) || (up.nodeType === 'FunctionCall' && up.kind === 'typeConversion' && !/^u?int/.test(type));
  };
  /** The operator between two operands, which the tree gives no place. */
  const between = (node, left, right, from, to, what) => {
    const [l, n] = range(left);
    const [r] = range(right);
    const gap = source.subarray(l + n, r).toString('utf8');
    const i = gap.indexOf(from);
    // Parentheses of an operand and comments lie outside of it; no operator does.
    if (i >= 0 && !gap.includes('//')) {
      found.push({ at: l + n + Buffer.byteLength(gap.slice(0, i)), length: from.length, by: to, what, inside: expression(node) });
    }
  };
  const rules = {
    IfStatement: (n) => {
      if (isGuard(n.trueBody) && !n.falseBody) put(n.condition, 'false', 'no guard');
      else {
        put(n.condition, 'false', 'never');
        put(n.condition, 'true', 'always');
      }
    },
    Conditional: (n) => {
      put(n.condition, 'false', 'never');
      put(n.condition, 'true', 'always');
    },
    BinaryOperation: (n) => {
      for (const to of BINARY[n.operator] || []) between(n, n.leftExpression, n.rightExpression, n.operator, to, `${n.operator} to ${to}`);
    },
    Assignment: (n) => {
      const to = ASSIGNED[n.operator];
      if (to) between(n, n.leftHandSide, n.rightHandSide, n.operator, to, `${n.operator} to ${to}`);
    },
    UnaryOperation: (n) => {
      const inner = text(n.subExpression);
      if (n.operator === '!') put(n, inner, 'no !');
      if (n.operator === '~') put(n, inner, 'no ~');
      if (n.operator === '++') put(n, n.prefix ? `--${inner}` : `${inner}--`, '++ to --');
      if (n.operator === '--') put(n, n.prefix ? `++${inner}` : `${inner}++`, '-- to ++');
    },
    Literal: (n) => {
      if (n.kind === 'bool') put(n, n.value === 'true' ? 'false' : 'true', 'other bool');
      if (n.kind === 'number') put(n, `(${text(n)} + 1)`, 'one more', folded(n) ? null : expression(n, literalType(n)));
    },
    ExpressionStatement: (n) => {
      const { nodeType, leftHandSide } = n.expression;
      // A pointer into storage that nothing is assigned to does not compile.
      if (nodeType !== 'Assignment' || !/storage pointer/.test(leftHandSide.typeDescriptions.typeString)) drop(n, 'no statement');
    },
    EmitStatement: (n) => drop(n, 'no event'),
    FunctionCall: (n) => {
      const inside = /^(Expression|Emit)Statement$/.test(parent().nodeType) ? statement(parent()) : expression(n);
      const types = (n.arguments || []).map((a) => a.typeDescriptions && a.typeDescriptions.typeString);
      for (let i = 0; i + 1 < types.length; ++i) {
        const [a, b] = [text(n.arguments[i]), text(n.arguments[i + 1])];
        // A sum or product is the same either way round.
        const even = i === 0 && /^(mulmod|addmod)$/.test(text(n.expression));
        if (types[i] !== types[i + 1] || a === b || n.names.length || even) continue;
        const [at] = range(n.arguments[i]);
        const [next, length] = range(n.arguments[i + 1]);
        const gap = source.subarray(at + Buffer.byteLength(a), next).toString('utf8');
        found.push({ at, length: next + length - at, by: b + gap + a, what: types[i] === 'address' ? 'addresses swapped' : 'arguments swapped', inside });
      }
    },
    MemberAccess: (n) => {
      if (n.memberName === 'sender' && text(n) === 'msg.sender') put(n, 'tx.origin', 'another caller');
      if (n.memberName === 'timestamp') put(n, '(block.timestamp + 1)', 'a second later');
    },
    YulFunctionCall: (n) => {
      const to = YUL[n.functionName.name];
      if (to) put(n.functionName, to, `${n.functionName.name} to ${to}`, null);
      if (n.functionName.name === 'iszero') put(n, text(n.arguments[0]), 'no iszero', null);
    },
    YulLiteral: (n) => {
      if (n.kind === 'number') put(n, `${BigInt(n.value) + 1n}`, 'one more', null);
    },
  };
  // Errors' arguments and constants' shapes matter to readers alone; a revert's kind is seen by the guard before it.
  const skipped = new Set(['RevertStatement', 'ElementaryTypeName', 'ArrayTypeName', 'ImportDirective', 'ErrorDefinition', 'EventDefinition', 'StructDefinition']);
  const walk = (node) => {
    if (Array.isArray(node)) return node.forEach(walk);
    if (!node || typeof node !== 'object' || skipped.has(node.nodeType)) return;
    if (rules[node.nodeType]) rules[node.nodeType](node);
    if (node.nodeType) above.push(node);
    for (const [key, value] of Object.entries(node)) if (key !== 'typeDescriptions' && typeof value === 'object') walk(value);
    if (node.nodeType) above.pop();
  };
  walk(ast);
  return found.filter((m, i) => found.findIndex((o) => o.at === m.at && o.length === m.length && o.by === m.by) === i);
}

module.exports = { placesOf };
