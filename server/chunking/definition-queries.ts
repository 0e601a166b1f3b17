/**
 * What is a definition, per language: tree-sitter queries, one per grammar.
 *
 * Captures and what `definitions.ts` makes of them:
 * - `@function @class @method @constant @type`: the definition's node, and its kind;
 * - `@field`: a member without a body (a field, a property, a case of an enum, a signature of an interface); chunks are not cut
 *   at it. `@attribute`: the same, written inside a function of its class (`self.x =`, a parameter property);
 * - `@name`: its name; without one the node is a definition for the chunker and no entity;
 * - `@owner`: what the name belongs to when that stands elsewhere (a Go receiver, `Foo.prototype`);
 * - `@scope`: names what is inside, is no entity itself (namespaces); `@members`: the same, and functions inside are methods;
 * - `@opaque`: what is inside has no name for other files (callbacks).
 *
 * Deliberately lacks: locals, parameters, private fields, and package names, which other files import and seldom write.
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
(assignment_expression left: (member_expression object: (this) property: (property_identifier) @name)) @attribute
(export_statement declaration: (lexical_declaration (variable_declarator value: (object [
	(pair key: (property_identifier) @name)
	(method_definition name: (property_identifier) @name)
	(shorthand_property_identifier) @name] @field))))
`;

export const javascript = `${ecmascript}
(class_declaration name: (identifier) @name) @class
(class_body (field_definition property: (_) @name value: [(arrow_function) (function_expression)]) @method)
(class_body (field_definition property: (property_identifier) @name) @field)
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
(class_body (public_field_definition name: (property_identifier) @name) @field (#not-match? @field "^[^=:]*private "))
(class_body (method_definition name: (property_identifier) @constructor parameters: (formal_parameters
	(required_parameter [(accessibility_modifier) "readonly"] pattern: (identifier) @name) @attribute))
	(#eq? @constructor "constructor") (#not-match? @attribute "^private "))
(property_signature name: (property_identifier) @name) @field
(method_signature name: (property_identifier) @name) @field
(enum_body [
	(property_identifier) @name
	(enum_assignment name: (property_identifier) @name)] @field)
`;

export const python = `
(function_definition name: (identifier) @name) @function
(class_definition name: (identifier) @name) @class
(type_alias_statement left: (type (identifier) @name)) @type
(module (expression_statement (assignment left: (identifier) @name) @constant (#match? @name "^[A-Z]")))
(class_definition body: (block (expression_statement (assignment left: (identifier) @name) @field)) (#not-match? @name "^__"))
(assignment left: (attribute object: (identifier) @self attribute: (identifier) @name) (#eq? @self "self")
	(#not-match? @name "^__")) @attribute
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
((field_declaration declarator: (variable_declarator name: (identifier) @name)) @field (#not-match? @field "^[^=;]*private "))
(enum_constant name: (identifier) @name) @field
(record_declaration parameters: (formal_parameters (formal_parameter name: (identifier) @name) @field))
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
(struct_type (field_declaration_list (field_declaration name: (field_identifier) @name) @field))
(interface_type (method_elem name: (field_identifier) @name) @field)
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
(struct_item body: (field_declaration_list (field_declaration name: (field_identifier) @name) @field))
(enum_variant name: (identifier) @name) @field
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
(field_declaration declarator: [
	(field_identifier) @name
	(pointer_declarator declarator: (field_identifier) @name)
	(reference_declarator (field_identifier) @name)
	(array_declarator declarator: (field_identifier) @name)]) @field
(enumerator name: (identifier) @name) @field
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
((property_declaration name: (identifier) @name) @field (#not-match? @field "^[^=;{]*private "))
((field_declaration (variable_declaration (variable_declarator name: (identifier) @name))) @field
	(#match? @field "^[^=;]*(public|internal|protected) "))
(enum_member_declaration name: (identifier) @name) @field
(record_declaration (parameter_list (parameter name: (identifier) @name) @field))
`;

export const ruby = `
(class name: (_) @name) @class
(module name: (_) @name) @class
(method name: (_) @name) @function
(singleton_method name: (_) @name) @function
(assignment left: (constant) @name) @constant
(call method: (identifier) @method arguments: (argument_list (simple_symbol) @name)
	(#match? @method "^attr_(reader|writer|accessor)$")) @field
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
((property_declaration (property_element name: (variable_name (name) @name))) @field (#not-match? @field "^[^=;]*private "))
((property_promotion_parameter name: (variable_name (name) @name)) @attribute (#not-match? @attribute "^private "))
(enum_case name: (name) @name) @field
`;
