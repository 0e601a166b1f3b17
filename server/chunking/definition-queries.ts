/**
 * What is a definition, per language: tree-sitter queries, one per grammar.
 *
 * Captures and what `definitions.ts` makes of them:
 * - `@function @class @method @constant @type`: the definition's node, and its kind;
 * - `@name`: its name; without one the node is a definition for the chunker and no entity;
 * - `@owner`: what the name belongs to when that stands elsewhere (a Go receiver, `Foo.prototype`);
 * - `@scope`: names what is inside, is no entity itself (namespaces); `@members`: the same, and functions inside are methods;
 * - `@opaque`: what is inside has no name for other files (callbacks).
 *
 * Deliberately lacks: locals, parameters, fields that are no constants, enum members, and package names, which other files
 * import and seldom write.
 */

const ecmascript = `
(function_declaration name: (identifier) @name) @function
(generator_function_declaration name: (identifier) @name) @function
(class_body (method_definition name: (_) @name) @method)
(variable_declarator name: (identifier) @name value: [(arrow_function) (function_expression) (generator_function)]) @function
(variable_declarator name: (identifier) @name value: (class)) @class
(export_statement declaration: [
	(lexical_declaration (variable_declarator name: (identifier) @name) @constant)
	(variable_declaration (variable_declarator name: (identifier) @name) @constant)])
(assignment_expression
	left: (member_expression object: (_) @owner property: (property_identifier) @name)
	right: [(arrow_function) (function_expression)]) @function
(arrow_function) @opaque
(function_expression) @opaque
`;

export const javascript = `${ecmascript}
(class_declaration name: (identifier) @name) @class
(class_body (field_definition property: (_) @name value: [(arrow_function) (function_expression)]) @method)
`;

export const typescript = `${ecmascript}
(class_declaration name: (type_identifier) @name) @class
(abstract_class_declaration name: (type_identifier) @name) @class
(class_body (abstract_method_signature name: (_) @name) @method)
(class_body (public_field_definition name: (_) @name value: [(arrow_function) (function_expression)]) @method)
(interface_declaration name: (type_identifier) @name) @type
(type_alias_declaration name: (type_identifier) @name) @type
(enum_declaration name: (identifier) @name) @type
(function_signature name: (identifier) @name) @function
(ambient_declaration (lexical_declaration (variable_declarator name: (identifier) @name) @constant))
(internal_module name: (_) @name) @scope
(module name: (identifier) @name) @scope
`;

export const python = `
(function_definition name: (identifier) @name) @function
(class_definition name: (identifier) @name) @class
(type_alias_statement left: (type (identifier) @name)) @type
(module (expression_statement (assignment left: (identifier) @name) @constant (#match? @name "^[A-Z]")))
`;

export const java = `
(class_declaration name: (identifier) @name) @class
(record_declaration name: (identifier) @name) @class
(interface_declaration name: (identifier) @name) @type
(enum_declaration name: (identifier) @name) @type
(annotation_type_declaration name: (identifier) @name) @type
(method_declaration name: (identifier) @name) @method
(constructor_declaration) @method
(field_declaration (modifiers) @modifiers declarator: (variable_declarator name: (identifier) @name)
	(#match? @modifiers "static") (#match? @modifiers "final") (#not-match? @modifiers "private")) @constant
(constant_declaration declarator: (variable_declarator name: (identifier) @name)) @constant
`;

export const go = `
(function_declaration name: (identifier) @name) @function
(method_declaration receiver: (parameter_list (parameter_declaration type: [
	(type_identifier) @owner
	(pointer_type (type_identifier) @owner)
	(generic_type type: (type_identifier) @owner)
	(pointer_type (generic_type type: (type_identifier) @owner))])) name: (field_identifier) @name) @method
(source_file (type_declaration (type_spec name: (type_identifier) @name type: (struct_type)) @class))
(source_file (type_declaration (type_spec name: (type_identifier) @name) @type))
(source_file (type_declaration (type_alias name: (type_identifier) @name) @type))
(source_file (const_declaration (const_spec name: (identifier) @name) @constant (#match? @name "^[A-Z]")))
(source_file (var_declaration (var_spec name: (identifier) @name) @constant (#match? @name "^[A-Z]")))
(source_file (var_declaration (var_spec_list (var_spec name: (identifier) @name) @constant (#match? @name "^[A-Z]"))))
`;

export const rust = `
(function_item name: (identifier) @name) @function
(function_signature_item name: (identifier) @name) @function
(macro_definition name: (identifier) @name) @function
(struct_item name: (type_identifier) @name) @class
(union_item name: (type_identifier) @name) @class
(enum_item name: (type_identifier) @name) @type
(trait_item name: (type_identifier) @name) @type
(type_item name: (type_identifier) @name) @type
(const_item name: (identifier) @name) @constant
(static_item name: (identifier) @name) @constant
(impl_item type: [
	(type_identifier) @name
	(generic_type type: (type_identifier) @name)
	(scoped_type_identifier name: (type_identifier) @name)]) @members
(mod_item name: (identifier) @name body: (_)) @scope
`;

export const cpp = `
(function_definition declarator: (function_declarator declarator: (_) @name)) @function
(function_definition declarator: (reference_declarator (function_declarator declarator: (_) @name))) @function
(function_definition declarator: (pointer_declarator (function_declarator declarator: (_) @name))) @function
(function_definition declarator: (pointer_declarator (pointer_declarator (function_declarator declarator: (_) @name)))) @function
(declaration declarator: (function_declarator declarator: (identifier) @name)) @function
(declaration declarator: (pointer_declarator (function_declarator declarator: (identifier) @name))) @function
(field_declaration declarator: (function_declarator declarator: (_) @name)) @method
(field_declaration declarator: (pointer_declarator (function_declarator declarator: (_) @name))) @method
(field_declaration declarator: (reference_declarator (function_declarator declarator: (_) @name))) @method
(class_specifier name: (_) @name body: (_)) @class
(struct_specifier name: (_) @name body: (_)) @class
(union_specifier name: (_) @name body: (_)) @class
(enum_specifier name: (_) @name body: (_)) @type
(type_definition declarator: (type_identifier) @name) @type
(alias_declaration name: (type_identifier) @name) @type
(concept_definition name: (identifier) @name) @type
(preproc_def name: (identifier) @name value: (_)) @constant
(preproc_function_def name: (identifier) @name) @function
(declaration (type_qualifier) @qualifier declarator: (init_declarator declarator: (identifier) @name)
	(#match? @qualifier "^const")) @constant
(namespace_definition name: (_) @name) @scope
(lambda_expression) @opaque
`;

export const csharp = `
(class_declaration name: (identifier) @name) @class
(record_declaration name: (identifier) @name) @class
(struct_declaration name: (identifier) @name) @class
(interface_declaration name: (identifier) @name) @type
(enum_declaration name: (identifier) @name) @type
(delegate_declaration name: (identifier) @name) @type
(method_declaration name: (identifier) @name) @method
(constructor_declaration) @method
(field_declaration (modifier) @modifier (variable_declaration (variable_declarator name: (identifier) @name))
	(#any-of? @modifier "const" "readonly")) @constant
`;

export const ruby = `
(class name: (_) @name) @class
(module name: (_) @name) @class
(method name: (_) @name) @function
(singleton_method name: (_) @name) @function
(assignment left: (constant) @name) @constant
`;

export const php = `
(class_declaration name: (name) @name) @class
(trait_declaration name: (name) @name) @class
(interface_declaration name: (name) @name) @type
(enum_declaration name: (name) @name) @type
(function_definition name: (name) @name) @function
(method_declaration name: (name) @name) @method
(const_declaration (const_element (name) @name) @constant)
(anonymous_function) @opaque
(arrow_function) @opaque
`;
